"""Helpers of workflow scripts: a log, receipts, and one line for a user's mistake."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

from superres.data.download.addresses import redact
from superres.device.base.errors import UserError
from superres.device.base.garbage import spare_imports
from superres.device.base.locks import lock
from superres.device.base.room import lacking
from superres.device.machine.facts import usable_cpus
from superres.report.receipts import JOBS, REPAIR_COMMAND, Receipts


def threads_side_by_side(threads: int) -> int:
    """Return the threads for one of two heavy jobs side by side, out of those that Snakemake gave it.

    At most half of the processors, because more threads than processors wait for each other.
    """
    return min(threads, max(1, usable_cpus() // 2))


def optional_path(files: Sequence[str]) -> Path | None:
    """Return the path of an optional input: the file of a list of one, None for an empty list."""
    return Path(files[0]) if files else None


class _Tee:
    """Writes to several streams, such as the terminal and a log."""

    def __init__(self, *streams: TextIO):
        self._streams = streams

    def write(self, text: str) -> int:
        for stream in self._streams:
            # A full disk ends the log, not the job.
            with suppress(OSError):
                stream.write(text)
                stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            with suppress(OSError):
                stream.flush()

    def isatty(self) -> bool:
        return False


def _close(log: TextIO) -> None:
    # What a full disk left in the file's buffer is tried again here.
    with suppress(OSError):
        log.close()


class script_log:  # noqa: N801 (used as a function)
    """Run the body of a script with its output in the file `log` as well as on the terminal.

    A UserError, and what the machine lacks (`superres.device.base.room`), end the script with one line and
    exit code 1. Any other exception propagates, and its traceback goes to the log too.
    """

    def __init__(self, log: str):
        self._path = Path(log)
        self._stack = ExitStack()

    def __enter__(self) -> None:
        spare_imports()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            log = self._path.open("w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            sys.exit(f"error: {self._path}: expected to write a log, found: {error.strerror}")
        self._stack.callback(_close, log)
        self._log = _Tee(log)
        tee = _Tee(sys.stderr, log)
        self._stack.enter_context(redirect_stderr(tee))  # pyright: ignore[reportArgumentType]
        self._stack.enter_context(redirect_stdout(tee))  # pyright: ignore[reportArgumentType]

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if isinstance(value, Exception) and not isinstance(value, UserError):
                value = lacking(value, self._path.parent) or value
            if isinstance(value, UserError):
                # One write keeps the lines of parallel jobs apart; print ends the line in a second one.
                sys.stderr.write(f"error: {redact(str(value))}\n")
                sys.exit(1)
            if value is not None:
                traceback.print_exception(value, file=self._log)


@contextmanager
def script_job(log: str, inputs: Iterable[str] = (), outputs: Iterable[str] = ()) -> Iterator[None]:
    """Run the body of a script in `script_log`, as a job whose files are known by their hashes.

    Raises UserError for an input that was changed since its own job made it. When the body has ended well,
    the outputs get their receipts (`superres.report.receipts`).
    """
    path = Path(log)
    with script_log(log):
        if (receipts := Receipts.of_log(path)) is None:
            yield
            return
        with _held(receipts.study / JOBS):
            used = receipts.check(inputs, os.environ.get(REPAIR_COMMAND, "snakemake --cores 4 repair"))
            yield
            job = path.relative_to(receipts.study / "logs").with_suffix("")
            receipts.write(job.as_posix(), outputs, used)


@contextmanager
def _held(jobs: Path) -> Iterator[None]:
    """Hold the lock of a study's jobs: if the call of Snakemake is killed, the next one waits for them."""
    with jobs.open("a", encoding="utf-8") as file:
        lock(file, shared=True, wait=True)
        yield
