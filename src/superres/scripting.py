"""Helpers of workflow scripts: a log, receipts, and one line for a user's mistake."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from superres.data.download.addresses import redact
from superres.device.base.errors import UserError
from superres.device.machine.facts import usable_cpus
from superres.report.receipts import REPAIR_COMMAND, Receipts


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
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        for stream in self._streams:
            stream.flush()

    def isatty(self) -> bool:
        return False


@contextmanager
def script_job(log: str, inputs: Iterable[str] = (), outputs: Iterable[str] = ()) -> Iterator[None]:
    """Run the body of a script as a job whose files are known by their hashes.

    Its output goes to the file `log` as well as to the terminal. An input that was changed since its own job
    made it is refused. When the body has ended well, the outputs get their receipts (`report.receipts`).

    A UserError ends the script with one line and exit code 1. Any other exception propagates, and its
    traceback goes to the log too.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        tee = _Tee(sys.stderr, file)
        with redirect_stderr(tee), redirect_stdout(tee):  # pyright: ignore[reportArgumentType]
            try:
                with _receipts(path, inputs, outputs):
                    yield
            except UserError as error:
                print(f"error: {redact(str(error))}", file=sys.stderr)
                sys.exit(1)
            except BaseException as error:
                traceback.print_exception(error, file=file)
                raise


@contextmanager
def _receipts(log: Path, inputs: Iterable[str], outputs: Iterable[str]) -> Iterator[None]:
    receipts = Receipts.of_log(log)
    if receipts is None:
        yield
        return
    used = receipts.check(inputs, os.environ.get(REPAIR_COMMAND, "snakemake --cores 4 repair"))
    yield
    receipts.write(log.relative_to(receipts.study / "logs").with_suffix("").as_posix(), outputs, used)
