"""What every workflow script does around its one call: a log, and one line for a user's mistake."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from superres.device.errors import UserError


class _Tee:
    """Writes to several streams: progress belongs on the terminal and in the log."""

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
def script_log(log: str) -> Iterator[None]:
    """Run the body with its output in `log` as well as on the terminal.

    A UserError ends the script with one line and exit code 1; anything else with its traceback, in both.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        tee = _Tee(sys.stderr, file)
        with redirect_stderr(tee), redirect_stdout(tee):  # pyright: ignore[reportArgumentType]
            try:
                yield
            except UserError as error:
                print(f"error: {error}", file=sys.stderr)
                sys.exit(1)
            except BaseException:
                traceback.print_exc()
                sys.exit(1)
