"""Progress lines: what they say, how often, and that they are whole lines."""

import re

import pytest

from superres.device.base import progress
from superres.device.base.progress import Progress


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_says_count_rate_and_time_left(clock, capsys):
    with Progress("measure_quality local/openvino/espcn_rgb/fp32", 24) as steps:
        clock.now += 4
        steps.update(12)
        line = capsys.readouterr().err
        assert line == "measure_quality local/openvino/espcn_rgb/fp32: 12/24, 3.0/s, 4 s left\n"
        clock.now += 1
        steps.update(12)
    assert capsys.readouterr().err.endswith(": 24/24, 4.8/s, took 5 s\n")


def test_at_most_one_line_in_every_s_seconds(clock, capsys):
    with Progress("train", 1000, every_s=2.0) as steps:
        for _ in range(1000):
            clock.now += 1 / 64
            steps.update()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 8  # after 2, 4 ... 14 of 15.6 seconds, and the last
    assert all(re.fullmatch(r"train: \d+/1000, 64\.0/s, .*", line) for line in lines)


def test_no_carriage_returns_and_no_last_line_after_an_error(clock, capsys):
    def fail() -> None:
        with Progress("x", 3, every_s=0) as steps:
            steps.update()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    shown = capsys.readouterr()
    assert "\r" not in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119.4, "119 s"), (120, "2 min 00 s"), (7265, "2 h 01 min")]
)
def test_durations_are_easy_to_read(seconds, text):
    assert progress._duration(seconds) == text


def test_slow_steps_are_given_in_seconds_each():
    assert progress._rate(0.02) == "50 s each"
