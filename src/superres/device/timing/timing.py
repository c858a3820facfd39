"""Times of single frames: of one session in blocks, and of several in turn."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple, Sequence

from superres.device.frames.files import Frames, read_frame
from superres.device.runtimes.base import Session

if TYPE_CHECKING:
    import numpy as np

_REST, _MOST_REST = 0.005, 0.2


class Timed(NamedTuple):
    """One frame of a clip, its size, and the milliseconds that it took.

    `compute_ms` is the runtime alone, by the device's own clock if it has a queue. `enqueue_ms`
    is the time to enqueue the work, None without a queue. `end_to_end_ms` is the time from the
    frame in memory to the upscaled one in memory. `interval_ms` is the time since the previous
    frame was done, if several are in flight (the mean is a frame's cost); else None.
    """

    frame: int
    height: int
    width: int
    compute_ms: float
    enqueue_ms: float | None
    end_to_end_ms: float
    interval_ms: float | None = None


def time_frame(session: Session, frame: np.ndarray, index: int = 0) -> Timed:
    """Upscale one frame and time it."""
    start = time.perf_counter_ns()
    inputs = session.preprocess(frame)
    ready = time.perf_counter_ns()
    handle = session.enqueue(inputs)
    enqueued = time.perf_counter_ns()
    outputs = session.wait(handle)
    done = time.perf_counter_ns()
    session.postprocess(outputs)
    end = time.perf_counter_ns()
    on_device = session.device_ms()
    return Timed(
        index,
        frame.shape[0],
        frame.shape[1],
        (done - ready) / 1e6 if on_device is None else on_device,
        (enqueued - ready) / 1e6 if session.queued else None,
        (end - start) / 1e6,
    )


def time_block(
    session: Session, lr: Sequence[np.ndarray], first: int, enough: Callable[[Sequence[Timed], float], bool]
) -> list[Timed]:
    """Time frames one after the other, from the clip's frame `first` on and around, at least one.

    It ends once `enough`, called with the frames and the seconds so far, is
    true. A session made for several frames in flight gets them that way.
    """
    if session.in_flight > 1:
        return _time_stream(session, lr, first, enough)
    timed: list[Timed] = []
    started = time.perf_counter()
    while not timed or not enough(timed, time.perf_counter() - started):
        index = (first + len(timed)) % len(lr)
        timed.append(time_frame(session, read_frame(lr, index), index))
        if isinstance(lr, Frames):
            lr.forget()
    return timed


def _time_stream(
    session: Session, lr: Sequence[np.ndarray], first: int, enough: Callable[[Sequence[Timed], float], bool]
) -> list[Timed]:
    """`time_block` with frames in flight, at least twice as many; it begins and ends with none in flight."""
    timed: list[Timed] = []
    taken: list[tuple[int, tuple[int, ...], int]] = []
    started = done = time.perf_counter_ns()

    def frames() -> Iterator[np.ndarray]:
        while len(taken) < 2 * session.in_flight or not enough(
            timed, (time.perf_counter_ns() - started) / 1e9
        ):
            index = (first + len(taken)) % len(lr)
            frame = read_frame(lr, index)
            taken.append((index, frame.shape, time.perf_counter_ns()))
            yield frame
            if isinstance(lr, Frames):
                lr.forget()

    for count, _ in enumerate(session.stream(frames())):
        index, shape, submitted = taken[count]
        before, done = done, time.perf_counter_ns()
        latency = (done - submitted) / 1e6
        timed.append(Timed(index, shape[0], shape[1], latency, None, latency, (done - before) / 1e6))
    return timed


def for_seconds(seconds: float) -> Callable[[Sequence[Timed], float], bool]:
    """Return an `enough` that ends a block before another frame like the last would exceed `seconds`."""
    return lambda timed, passed: passed + timed[-1].end_to_end_ms / 1000 > seconds


def rest() -> None:
    """Wait until no thread of this process spins, at most 0.2 s, to free the machine for another process.

    Measured 5 ms at a time: ONNX Runtime's threads spin for 30 ms after
    their last work, OpenMP's (PyTorch) for 10 ms, OpenVINO's not at all.
    """
    deadline = time.monotonic() + _MOST_REST
    used = _REST
    while used > _REST / 10 and time.monotonic() < deadline:
        before = time.process_time()
        time.sleep(_REST)
        used = time.process_time() - before


def time_rounds(
    sessions: Sequence[Session],
    lr: Sequence[np.ndarray],
    enough: Callable[[int, float], bool],
    show: Callable[[], None] = lambda: None,
) -> list[tuple[int, list[float]]]:
    """Time several sessions in turn until `enough`, called with rounds and seconds, is true.

    Each round upscales one frame, in memory to in memory, with every session, in random
    order: a busy machine slows all equally. Returns each round's frame and milliseconds.
    """
    import numpy as np

    rows: list[tuple[int, list[float]]] = []
    started = time.perf_counter()
    while not enough(len(rows), time.perf_counter() - started):
        index = len(rows) % len(lr)
        frame = read_frame(lr, index)
        row = [0.0] * len(sessions)
        for k in np.random.default_rng(len(rows)).permutation(len(sessions)):
            row[k] = time_frame(sessions[k], frame, index).end_to_end_ms
        rows.append((index, row))
        show()
    return rows


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Disable Python's garbage collector, which would interrupt timed frames."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
