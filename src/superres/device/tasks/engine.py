"""The shared part of tasks: threads, the engine, the clip, the common part of a record."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.errors import UnsupportedError, UserError
from superres.device.base.outputs import read_json, sha256_file
from superres.device.base.words import counted
from superres.device.frames.files import Frames, open_frames
from superres.device.job import Job
from superres.device.machine.facts import describe_machine, usable_cpus
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Session, Settings, Size
from superres.device.runtimes.tiled import TiledSession, check_room, is_cut


@dataclass(frozen=True)
class Clip:
    """Name of a clip, the hash of its index, the names of its frames, and their HR sizes (height, width)."""

    name: str
    sha256: str
    names: List[str]
    hr_shapes: List[Tuple[int, int]]

    def lr_shapes(self, scale: int) -> List[Tuple[int, int]]:
        """Return the sizes of the frames' LR twins at a scale."""
        return [(height // scale, width // scale) for height, width in self.hr_shapes]


def runtime_settings(job: Job) -> Settings:
    """Return settings for the runtime, with at most as many threads as this process may use CPUs."""
    return Settings(job.precision, min(job.threads, usable_cpus()), job.options)


def open_arm(job: Job, sizes: Sequence[Size]) -> Tuple[Session, Dict[str, Any]]:
    """Open the job's engine for frames of some sizes (height, width); returns the session and facts of the
    engine for the record.

    Frames too large for one pass, or for a network of one size, run in tiles. Raises UnsupportedError with
    the reason if no engine was built, UserError if engine and record don't belong together or to this job,
    and if the frames need more memory than there is.
    """
    paths = Path(job.inputs["engine"]), Path(job.inputs["engine_record"])
    return open_engine(*paths, job.runtime, runtime_settings(job), sizes)


def open_engine(
    engine: Path, path: Path, runtime: str, settings: Settings, sizes: Sequence[Size]
) -> Tuple[Session, Dict[str, Any]]:
    """Open an engine with the record of its build, `path`; returns and raises as `open_arm` does."""
    record = read_json(path, ("status", "runtime", "precision", "settings", "engine_sha256", "facts"))
    found = {**record, "options": record["settings"].get("options", {})}
    expected = {"runtime": runtime, "precision": settings.precision, "options": dict(settings.options)}
    for name, value in expected.items():
        if found[name] != value:
            raise UserError(f"{path}: expected {name} {value}, found {found[name]}")
    if record["status"] != "ok":
        raise UnsupportedError(record["status"].replace("not run: ", "", 1))
    sha256 = sha256_file(engine)
    if sha256 != record["engine_sha256"]:
        raise UserError(f"{engine}: it is not the engine that {path} describes; build the engine again")
    footprint = record["settings"].get("footprint")
    if footprint:
        check_room(sizes, footprint, f"{runtime} {settings.precision}")
    session = load_runtime(runtime).open_engine(engine, replace(settings, facts=record["facts"]))
    if footprint and any(is_cut(size, footprint) for size in set(sizes)):
        session = TiledSession(session, footprint)
    return session, {"engine_sha256": sha256}


@dataclass(frozen=True)
class Engine:
    """An arm's engine: its file and record, and the settings to open it with."""

    runtime: str
    precision: str
    threads: int
    options: Mapping[str, Any]
    path: Path
    record: Path

    @property
    def settings(self) -> Settings:
        """The runtime's settings."""
        return Settings(self.precision, min(self.threads, usable_cpus()), self.options)

    def open(self, sizes: Sequence[Size]) -> Tuple[Session, Dict[str, Any]]:
        """Open it for frames of some sizes; see `open_arm`."""
        return open_engine(self.path, self.record, self.runtime, self.settings, sizes)


def read_clip(path: Path) -> Clip:
    """Read a clip's index; raises UserError if it is not one."""
    data = read_json(path, ("name", "names", "hr_shapes"))
    clip = Clip(
        data["name"],
        sha256_file(path),
        data["names"],
        [(height, width) for height, width in data["hr_shapes"]],
    )
    counts = {len(clip.names), len(clip.hr_shapes)}
    if len(counts) != 1 or counts == {0}:
        raise UserError(f"{path}: expected a name and a size for every frame, found {sorted(counts)} of them")
    return clip


def frame_sizes(
    clips: Sequence[Path], known: Sequence[Sequence[int]] = (), *, scale: int = DEFAULT_SCALE
) -> Dict[str, List[int]]:
    """Return sizes [height, width] of the LR frames of some clips, by their indices or `known`, one a clip.

    Indices have HR sizes, which are divided by the `scale`. The result has `smallest` and `largest` on each
    side, and `tuned`, the size that most clips have most of; of several the largest.
    """
    each = [[(height, width)] for height, width in known] + [
        read_clip(path).lr_shapes(scale) for path in clips
    ]
    heights, widths = zip(*(shape for shapes in each for shape in shapes))
    tuned = _most_frequent([_most_frequent(shapes) for shapes in each])
    return {
        "smallest": [min(heights), min(widths)],
        "tuned": list(tuned),
        "largest": [max(heights), max(widths)],
    }


def _most_frequent(shapes: Sequence[Tuple[int, int]]) -> Tuple[int, int]:
    """Return the most frequent size, of several the largest."""
    return max(set(shapes), key=lambda shape: (shapes.count(shape), shape))


def open_clip_frames(path: Path, shapes: List[Tuple[int, int]]) -> Frames:
    """Open a clip's frames; raises UserError if they don't match its index."""
    frames = open_frames(path, shapes)
    if frames.shapes != shapes:
        raise UserError(
            f"{path}: expected {counted(len(shapes), 'frame')} as in the clip's index, the first "
            f"{shapes[0]}, found {len(frames)}, the first {frames.shapes[0] if len(frames) else None}"
        )
    return frames


def base_record(job: Job, seconds: float) -> Dict[str, Any]:
    """The part that the records of all tasks share."""
    return {
        "task": job.task,
        "status": "ok",
        "label": job.label,
        "runtime": job.runtime,
        "precision": job.precision,
        "threads": runtime_settings(job).threads,
        "threads_asked": job.threads,
        "versions": load_runtime(job.runtime).versions() if job.runtime else {},
        "seconds": round(seconds, 3),
        "settings": job.settings,
        "machine": describe_machine(),
        # The hash of the worker's file, if it was sent as one.
        "worker_sha256": os.environ.get("SUPERRES_WORKER"),
    }
