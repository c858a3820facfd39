"""How long is measured, what a row holds, and in which order frames come."""

import time

import numpy as np
import pytest

from superres.device import latency
from superres.device.frames import Frames
from superres.device.latency import Plan, measure, measure_in_turn
from superres.device.runtimes.base import Session


class Clock:
    """A clock that stands still but for what the session takes."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def perf_counter_ns(self) -> int:
        return round(self.now * 1e9)


class SlowSession(Session):
    """Takes 1 ms before, `compute_ms` for and 2 ms after what it computes."""

    def __init__(self, clock: Clock, compute_ms: float):
        self.clock, self.compute_ms = clock, compute_ms
        self.shapes: list[tuple[int, ...]] = []

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        self.clock.now += 0.001
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        self.clock.now += self.compute_ms / 1000
        self.shapes.append(inputs.shape)
        return inputs

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        self.clock.now += 0.002
        return outputs.repeat(2, axis=0).repeat(2, axis=1)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(latency, "time", clock)
    return clock


FRAMES = Frames(np.zeros(3 * (6 + 12), np.uint8), [(2, 3), (3, 4)])


@pytest.mark.parametrize(
    ("plan", "compute_ms", "warmup", "iterations"),
    [
        (Plan(0.5, 1.0, 10, 60.0), 97, 5, 10),  # as many in the time as are asked for
        (Plan(0.5, 1.0, 50, 60.0), 97, 5, 50),  # the number takes longer than the time
        (Plan(0.5, 3.0, 10, 60.0), 97, 5, 30),  # the time takes longer than the number
        (Plan(0.0, 0.0, 7, 60.0), 97, 2, 7),  # a warm-up has 2 frames at least
        (Plan(0.0, 1.0, 100, 2.0), 97, 2, 20),  # the most that is allowed
        (Plan(0.0, 1.0, 100, 2.0), 997, 2, 5),  # 5 frames whatever they take
    ],
)
def test_how_many_frames_are_timed(plan, compute_ms, warmup, iterations, clock):
    session = SlowSession(clock, compute_ms)
    found, rows = measure(session, FRAMES, plan, "measure_latency x")
    # Sums of binary fractions may fall short of a whole second: one frame more, then.
    assert found - warmup in (0, 1)
    assert len(rows) - iterations in (0, 1)
    assert len(session.shapes) == found + len(rows)


def test_a_row_holds_compute_and_end_to_end_of_one_frame(clock):
    _, rows = measure(SlowSession(clock, 7), FRAMES, Plan(0, 0, 6, 60), "x")
    assert [row[:4] for row in rows[:3]] == [(0, 0, 2, 3), (1, 1, 3, 4), (2, 0, 2, 3)]
    for row in rows:
        assert row[4] == pytest.approx(7, abs=1e-5)
        assert row[5] == pytest.approx(10, abs=1e-5)


def test_real_time_is_measured_in_milliseconds():
    class Sleeping(SlowSession):
        def execute(self, inputs: np.ndarray) -> np.ndarray:
            time.sleep(0.02)
            return inputs

    _, rows = measure(Sleeping(Clock(), 0), FRAMES, Plan(0, 0, 5, 60), "x")
    assert all(20 <= compute <= end_to_end < 2000 for *_, compute, end_to_end in rows)


def test_sessions_take_turns_in_an_order_that_changes(clock):
    order: list[float] = []

    class Noted(SlowSession):
        def execute(self, inputs: np.ndarray) -> np.ndarray:
            order.append(self.compute_ms)
            return super().execute(inputs)

    sessions = [Noted(clock, compute_ms) for compute_ms in (7, 17, 27)]
    rows = measure_in_turn(sessions, FRAMES, Plan(0, 0, 6, 60), "x")
    assert [frame for frame, _ in rows] == [0, 1, 0, 1, 0, 1]
    for _, row in rows:
        assert row == pytest.approx([10, 20, 30], abs=1e-5)
    rounds = [tuple(order[i : i + 3]) for i in range(0, len(order), 3)]
    # Two to warm up.
    assert len(rounds) == 8 and all(sorted(turn) == [7, 17, 27] for turn in rounds)
    assert len({*rounds}) > 2


def test_rounds_last_as_long_as_the_plan_of_each_session(clock):
    sessions = [SlowSession(clock, compute_ms) for compute_ms in (97, 197)]
    # 0.3 s a round of two: 2 s each are 4 s.
    rows = measure_in_turn(sessions, FRAMES, Plan(0, 2.0, 5, 60), "x")
    assert len(rows) in (14, 15)
