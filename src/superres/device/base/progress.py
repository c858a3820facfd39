"""Progress of a long step, as whole lines on stderr: several jobs share one terminal or log."""

import sys
import time
from typing import Optional, Type


class Progress:
    """Counts steps and prints `label: done/total, rate, time left` to stderr.

    It prints at most one line in `every_s` seconds, and a last one with the total time. A context
    manager; an exception ends it without the last line.
    """

    def __init__(self, label: str, total: int, every_s: float = 2.0):
        self.label = label
        self.total = total
        self.done = 0
        self._every_s = every_s
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> "Progress":
        self._started = self._printed = time.monotonic()
        return self

    def update(self, n: int = 1) -> None:
        """Count `n` more steps as done."""
        self.done += n
        now = time.monotonic()
        if self.done < self.total and now - self._printed >= self._every_s:
            self._printed = now
            self._print(now)

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        if kind is None:
            self._print(time.monotonic(), last=True)

    def _print(self, now: float, last: bool = False) -> None:
        seconds = max(now - self._started, 1e-9)
        rate = self.done / seconds
        if last:
            ending = f"took {_duration(seconds)}"
        elif rate > 0:
            ending = f"{_duration((self.total - self.done) / rate)} left"
        else:
            ending = "just started"
        line = f"{self.label}: {self.done}/{self.total}, {_rate(rate)}, {ending}\n"
        # One write per line keeps the lines of parallel jobs apart.
        sys.stderr.write(line)
        sys.stderr.flush()


def _rate(per_second: float) -> str:
    if per_second >= 0.1 or per_second == 0:
        return f"{per_second:.1f}/s" if per_second < 100 else f"{per_second:.0f}/s"
    return f"{1 / per_second:.0f} s each"


def _duration(seconds: float) -> str:
    seconds_whole = round(seconds)
    if seconds_whole < 120:
        return f"{seconds_whole} s"
    minutes, rest = divmod(seconds_whole, 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
