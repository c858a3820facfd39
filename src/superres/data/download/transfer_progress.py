"""Progress of a transfer in bytes: a bar on a terminal, now and then a whole line anywhere else."""

import sys
import time
from types import TracebackType

from tqdm import tqdm

_LINE_EVERY_S = 5.0


class TransferProgress:
    """Shows bytes, rate and time left of a transfer of `total` bytes; used as a context manager.

    The bar goes to the terminal that the process was started on, since jobs write their own stderr into a log too.
    Without one, lines go to stderr.
    """

    def __init__(self, label: str, total: int):
        self._label, self._total = label, total
        self._bar: tqdm | None = None
        self._initial: int | None = None

    def __enter__(self) -> "TransferProgress":
        self._started = self._printed = time.monotonic()
        return self

    def show(self, done: int) -> None:
        """Say that `done` bytes are there; the first call says what was there at the start."""
        if self._initial is None or done < self._initial:
            self._begin(done)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._printed >= _LINE_EVERY_S or done == self._total:
            self._printed = time.monotonic()
            self._print(done)

    def say(self, line: str) -> None:
        """Print a line beside the bar."""
        if self._bar is not None:
            self._bar.clear()
        sys.stderr.write(line + "\n")

    def _begin(self, done: int) -> None:
        self._initial = done
        self._started = time.monotonic()
        self._close()
        terminal = sys.__stderr__
        if terminal is not None and terminal.isatty():
            self._bar = tqdm(
                total=self._total,
                initial=done,
                desc=self._label,
                unit="B",
                unit_scale=True,
                file=terminal,
                mininterval=0.5,
            )

    def _print(self, done: int) -> None:
        line = tqdm.format_meter(
            done,
            self._total,
            time.monotonic() - self._started,
            prefix=self._label,
            unit="B",
            unit_scale=True,
            initial=self._initial or 0,
            bar_format="{desc}: {n_fmt}/{total_fmt}, {percentage:.0f} %, {rate_fmt}, {remaining} left",
        )
        sys.stderr.write(line + "\n")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
