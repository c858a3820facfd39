"""The engine that a video is upscaled by: the arm's own, or one for the video's size."""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from superres.device.base.outputs import read_json
from superres.device.job import Job
from superres.device.runtimes.base import Session
from superres.device.runtimes.sizes import takes
from superres.device.tasks.engine import Engine
from superres.targets.local import run_here


@dataclass(frozen=True)
class Source:
    """What an arm's engine was built from: the graph in each of its forms, and what TensorRT calibrates on itself."""

    models: Mapping[str, str]
    calibration: str | None


@contextmanager
def open_for(size: tuple[int, int], engine: Engine, source: Source, label: str) -> Iterator[Session]:
    """The arm's engine, opened, if it takes frames of `size` (height, width); else one that is built for them alone.

    The other one is built of the same graph with the same settings, and is gone afterwards. Raises UserError as
    `open_engine` does, and for what the runtime can't build.
    """
    record = read_json(engine.record, ("status", "facts", "settings"))
    if record["status"] != "ok" or takes(record["facts"], size):
        yield engine.open()[0]
        return
    height, width = size
    print(f"{label}: building an engine for frames of {width}x{height}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        built = replace(engine, path=Path(folder, "engine.bin"), record=Path(folder, "engine.json"))
        run_here(_build(built, record["settings"], source, size, label))
        yield built.open()[0]


def _build(
    engine: Engine, settings: dict[str, Any], source: Source, size: tuple[int, int], label: str
) -> Job:
    sides = list(size)
    # Bicubic has no graph, and so no form.
    inputs = {"model": source.models.get(settings.get("form", "")), "calibration": source.calibration}
    return Job(
        task="build_engine",
        runtime=engine.runtime,
        precision=engine.precision,
        threads=engine.threads,
        inputs={name: path for name, path in inputs.items() if path is not None},
        outputs={"engine": str(engine.path), "record": str(engine.record)},
        settings={**settings, "sizes": dict.fromkeys(("smallest", "tuned", "largest"), sides)},
        label=label,
    )
