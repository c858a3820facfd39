"""Reading ahead: bounded, in order, with the exceptions of what is read, and without a thread left behind."""

import gc
import threading
import time

import pytest

from superres.data.video.ahead import WAITING, Ahead


def test_reading_ahead_is_bounded() -> None:
    read: list[int] = []

    def items():
        for i in range(100):
            read.append(i)
            yield i

    with Ahead(items()) as taken:
        for expected in range(20):
            assert next(taken) == expected
            # The waiting items, and the one that the thread holds.
            assert len(read) <= expected + 1 + WAITING + 1
    assert len(read) < 30


def test_an_exception_comes_after_what_was_read_before() -> None:
    def items():
        yield 1
        raise KeyError("broken")

    taken = Ahead(items())
    assert next(taken) == 1
    with pytest.raises(KeyError, match="broken"):
        next(taken)
    assert list(taken) == []


def test_a_forgotten_reader_ends_its_thread() -> None:
    before = threading.active_count()
    taken = Ahead(iter(range(100)))
    assert next(taken) == 0
    del taken
    gc.collect()
    end = time.monotonic() + 60
    while threading.active_count() > before:
        assert time.monotonic() < end
        time.sleep(0.01)
