"""The task `measure_latency`: how long single frames take, raw, one after the other."""

import gc
import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np

from superres.device.arm import open_arm, open_clip_frames, read_clip
from superres.device.errors import UnsupportedError
from superres.device.frames import Frames
from superres.device.job import Job
from superres.device.machine import describe_load
from superres.device.outputs import Outputs, write_csv
from superres.device.progress import Progress
from superres.device.runtimes.base import Session

HEADER = ("iteration", "frame", "height", "width", "compute_ms", "end_to_end_ms")
WARMUP_ITERATIONS = 2
LEAST_ITERATIONS = 5

Row = Tuple[int, int, int, int, float, float]


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Warm-up lasts `warmup_seconds` and at least 2 frames. Then at least `min_seconds` and at least
    `min_iterations`, whichever is longer, but once 5 frames are done never beyond `max_seconds`.
    """

    warmup_seconds: float
    min_seconds: float
    min_iterations: int
    max_seconds: float

    def warmed_up(self, iterations: int, seconds: float) -> bool:
        """Whether the warm-up is over."""
        return iterations >= WARMUP_ITERATIONS and seconds >= self.warmup_seconds

    def finished(self, iterations: int, seconds: float) -> bool:
        """Whether enough has been measured."""
        if iterations >= LEAST_ITERATIONS and seconds >= self.max_seconds:
            return True
        return iterations >= self.min_iterations and seconds >= self.min_seconds

    def expected_iterations(self, seconds_each: float) -> int:
        """How many frames will be measured if each takes so long."""
        wanted = max(self.min_iterations, self.min_seconds / seconds_each)
        return max(LEAST_ITERATIONS, math.ceil(min(wanted, self.max_seconds / seconds_each)))


def run(job: Job, outputs: Outputs) -> Dict[str, Any]:
    """Time the arm; returns what the record says besides the common part."""
    clip = read_clip(Path(job.inputs["clip"]))
    lr = open_clip_frames(Path(job.inputs["lr"]), clip.lr_shapes)
    session, facts = open_arm(job)
    if session.reference:
        raise UnsupportedError(f"{job.runtime} is a reference for PSNR, not made for speed")
    plan = Plan(**{name: value for name, value in job.settings.items() if name != "options"})
    before = describe_load()
    warmup, rows = measure(session, lr, plan, f"measure_latency {job.label}")
    write_csv(outputs["latency"], HEADER, rows)
    return {
        **facts,
        "clip": clip.name,
        "clip_sha256": clip.sha256,
        "iterations": len(rows),
        "warmup_iterations": warmup,
        "session": session.facts(),
        "load_before": before,
        "load_after": describe_load(),
    }


def write_empty(outputs: Outputs) -> Dict[str, Any]:
    """Write the outputs of an arm that this machine can't run; returns their part of the record."""
    write_csv(outputs["latency"], HEADER, [])
    return {"iterations": 0}


def measure(session: Session, lr: Frames, plan: Plan, label: str) -> Tuple[int, List[Row]]:
    """Time single frames, over and over through the clip; returns the warm-up's length and the rows."""
    with _no_garbage_collection():
        started = time.perf_counter()
        warmup = len(_repeat(session, lr, plan.warmed_up, lambda: None))
        expected = plan.expected_iterations((time.perf_counter() - started) / warmup)
        with Progress(label, expected) as progress:
            rows = _repeat(session, lr, plan.finished, progress.update)
            progress.total = len(rows)
    return warmup, rows


def _repeat(
    session: Session, lr: Frames, enough: Callable[[int, float], bool], show: Callable[[], None]
) -> List[Row]:
    rows: List[Row] = []
    started = time.perf_counter()
    while not enough(len(rows), time.perf_counter() - started):
        index = len(rows) % len(lr)
        # A frame in memory is what an application has: the disk is not timed.
        frame = np.array(lr[index])
        compute, end_to_end = _time_one(session, frame)
        rows.append((len(rows), index, frame.shape[0], frame.shape[1], compute, end_to_end))
        lr.forget()
        show()
    return rows


def _time_one(session: Session, frame: np.ndarray) -> Tuple[float, float]:
    """Milliseconds of the runtime alone, and from the frame in memory to the upscaled one in memory."""
    start = time.perf_counter_ns()
    inputs = session.preprocess(frame)
    ready = time.perf_counter_ns()
    outputs = session.execute(inputs)
    done = time.perf_counter_ns()
    session.postprocess(outputs)
    end = time.perf_counter_ns()
    return (done - ready) / 1e6, (end - start) / 1e6


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep Python's collector from stopping a timed frame."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
