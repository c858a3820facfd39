"""The end of a worker: relay its lines, and raise its error line as UserError."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from superres.device.base.errors import USER_ERROR, UserError
from superres.device.job import Job

_ERROR = "error: "


class WorkerLines:
    """Relays a worker's lines to `log`, except its error line.

    `names` maps paths on another machine to those here.
    """

    def __init__(self, log: Callable[[str], object], names: Mapping[str, str] | None = None):
        self._log = log
        self._names = dict(names or {})
        self._rest = ""
        self.error = ""

    def add(self, text: str) -> None:
        """Add the next text, which may end within a line."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            translated = self._translate(line)
            if translated.startswith(_ERROR):
                self.error = translated.removeprefix(_ERROR).rstrip()
            else:
                self._log(translated + "\n")

    def _translate(self, line: str) -> str:
        for there, here in self._names.items():
            line = line.replace(there, here)
        return line

    def finish(self, job: Job, returncode: int, where: str = "") -> None:
        """Raise UserError for a user's mistake and RuntimeError for a broken worker; return on success.

        `where` is the start of a mistake's line, such as the name of the machine.
        """
        if self._rest:
            self.add("\n")
        if returncode == USER_ERROR and self.error:
            raise UserError(f"{where}{self.error}")
        if returncode != 0:
            raise RuntimeError(f"{job.task} {job.label}: the worker ended with {_ending(returncode)}")


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so cleanup stops the worker. Does nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"signal {signal.Signals(-returncode).name}"
    return f"exit code {returncode}"
