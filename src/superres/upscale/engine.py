"""The engine that a video is upscaled by: the arm's own, or one for the video's size."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from superres.device.base.outputs import read_json
from superres.device.job import Job
from superres.device.runtimes.base import Session, takes
from superres.device.tasks.engine import Engine
from superres.targets.local import run_here


@dataclass(frozen=True)
class BuiltFrom:
    """What an arm's engine was built from: its model, and the frames that TensorRT calibrates on itself.

    Bicubic has no model.
    """

    model: str | None
    calibration: str | None


@contextmanager
def open_for(size: tuple[int, int], engine: Engine, source: BuiltFrom, label: str) -> Iterator[Session]:
    """The arm's engine, opened, if it takes frames of `size` (height, width); else one built for them alone.

    That one is built of the same model with the same settings, and is gone afterwards. Raises UserError as
    `Engine.open` does, and for what the runtime can't build.
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
    engine: Engine, settings: dict[str, Any], source: BuiltFrom, size: tuple[int, int], label: str
) -> Job:
    sides = list(size)
    inputs = {"model": source.model, "calibration": source.calibration}
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
