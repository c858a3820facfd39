"""Several frames in flight: their order, their latencies, and what is counted as frames a second."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Session, Settings
from superres.device.timing import timing
from superres.device.timing.timing import for_seconds, time_block
from superres.report.metrics.speed import LATENCY, aggregate_speed, paired_ratio

from ..conftest import Exported


@pytest.fixture
def streaming(exported: Exported, tmp_path: Path) -> Session:
    runtime, settings = load_runtime("openvino_throughput"), Settings("fp32", 2, {"frames": "uint8"})
    runtime.build(exported.model("openvino"), tmp_path / "engine", settings)
    return runtime.open_engine(tmp_path / "engine", settings)


def test_frames_come_out_in_their_order_as_they_do_one_by_one(
    streaming: Session, frames: list[np.ndarray]
) -> None:
    assert streaming.in_flight > 1 and streaming.facts() == {"in_flight": streaming.in_flight}
    many = [frames[i % len(frames)] + np.uint8(i) for i in range(4 * streaming.in_flight + 1)]
    streamed = [upscaled.copy() for upscaled in streaming.stream(many)]
    assert len(streamed) == len(many)
    for frame, upscaled in zip(many, streamed, strict=True):
        np.testing.assert_array_equal(upscaled, streaming.run(frame))


def test_no_more_frames_are_taken_than_may_fly(streaming: Session, frames: list[np.ndarray]) -> None:
    taken = 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal taken
        for _ in range(20):
            taken += 1
            yield frames[0]

    for done, _ in enumerate(streaming.stream(counted()), 1):
        # Those in flight, and the one that waits for a place.
        assert taken <= done + streaming.in_flight


class Clock(Session):
    """Two frames in flight, each 10 ms of a fake clock; the second is done 10 ms after the first."""

    in_flight = 2

    def __init__(self, move: Callable[[float], None]):
        self._move = move

    def preprocess(self, frame: np.ndarray) -> None: ...
    def execute(self, inputs: None) -> None: ...
    def postprocess(self, outputs: None) -> np.ndarray:
        return np.zeros((2, 2, 3), np.uint8)

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        waiting = 0
        for _ in frames:
            waiting += 1
            if waiting == self.in_flight:
                self._move(10)
                waiting -= 1
                yield self.postprocess(None)
        for _ in range(waiting):
            self._move(10)
            yield self.postprocess(None)


def test_latency_is_a_frames_own_time_and_the_interval_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0

    def move(milliseconds: float) -> None:
        nonlocal now
        now += int(milliseconds * 1e6)

    monkeypatch.setattr(
        timing, "time", SimpleNamespace(perf_counter_ns=lambda: now, perf_counter=lambda: now / 1e9)
    )
    lr = [np.zeros((1, 1, 3), np.uint8)] * 3
    timed = time_block(Clock(move), lr, 1, for_seconds(0.055))
    assert [each.frame for each in timed] == [(1 + i) % 3 for i in range(len(timed))]
    assert [each.interval_ms for each in timed] == [10.0] * len(timed)
    # The first one waits for nobody, each other for the one before it.
    assert [each.end_to_end_ms for each in timed] == [10.0] + [20.0] * (len(timed) - 1)
    assert 4 <= len(timed) <= 6


def rows(arm: str, number: int, latencies: list[float], intervals: list[float | None]) -> list[dict]:
    return [
        {
            "arm": arm,
            "round": number,
            "frame": 0,
            "height": 2,
            "width": 2,
            "compute_ms": latency,
            "enqueue_ms": None,
        }
        | {"end_to_end_ms": latency, "interval_ms": interval}
        for latency, interval in zip(latencies, intervals, strict=True)
    ]


def test_frames_a_second_are_those_of_the_stream() -> None:
    table = []
    for number in range(6):
        # Two frames that end together, then a wait: the median interval would tell nothing.
        table += rows("own", number, [40.0, 40.0, 40.0, 40.0], [38.0, 2.0, 38.0, 2.0])
        table += rows("reference", number, [30.0, 30.0, 90.0], [None] * 3)
    latency = pl.DataFrame(table, schema=LATENCY)
    found = aggregate_speed(latency)
    assert found["fps"] == found["fps_compute"] == pytest.approx(50.0)
    assert found["latency_p50_ms"] == 40.0
    ratio = paired_ratio(latency)
    assert ratio is not None and ratio[0].value == pytest.approx(30.0 / 20.0)
