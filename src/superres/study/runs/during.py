"""While Snakemake runs a study: no second call on the same one, and failed jobs are told at the end."""

import atexit
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from superres.data.download.addresses import redact
from superres.device.base.errors import UserError
from superres.device.base.locks import lock
from superres.device.base.outputs import read_json
from superres.device.base.room import no_room, room_error

_ERROR = "error: "


def lock_study(name: str, results: Path) -> IO[str]:
    """Keep a second call away from a study; the lock ends with this process, or when the file is closed.

    Raises UserError if another call has it, and if nothing can be written to `results`. On a file system
    without locks, that is said and the study runs.
    """
    path = results / ".lock"
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{results}: expected a folder that can be written to, found: {error.strerror}; change its "
            "rights, or run in a folder of your own: snakemake -s PATH/Snakefile"
        ) from error
    try:
        if not lock(file):
            sys.stderr.write(
                f"study {name}: the file system of {results} has no locks: don't run it twice at once\n"
            )
    except BlockingIOError as error:
        file.close()
        raise UserError(
            f"{name} is being run by another call of snakemake: wait for it, or stop it"
        ) from error
    return file


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: its rule, its wildcards, its log, and why a scheduler ended it, if one did."""

    rule: str
    wildcards: Mapping[str, str]
    log: Sequence[str]
    lost: str | None = None

    @property
    def line(self) -> str:
        """The job's name and its error, in one line."""
        name = " ".join([self.rule, *(f"{key}={value}" for key, value in self.wildcards.items())])
        return f"{name}: {self._error()}"

    @property
    def says_why(self) -> bool:
        """Whether it is known why the job failed. Others of its group may only have ended with it."""
        return self.lost is not None or _ERROR in self._text or "Traceback" in self._text

    @property
    def _text(self) -> str:
        try:
            return Path(self.log[0]).read_text(encoding="utf-8", errors="replace")
        except (IndexError, OSError):
            return ""

    def _error(self) -> str:
        """Return the last error in the job's log, else its last line, such as that of a traceback."""
        if self.lost is not None:
            return self.lost
        text = self._text
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(_ERROR)]
        if errors:
            return errors[-1].removeprefix(_ERROR)
        if "Traceback" in text:
            return f"{redact(lines[-1])} (its traceback is in {self.log[0]})"
        return self._silence(text)

    def _silence(self, text: str) -> str:
        """Return why a log has no message: a full disk has no room for it, or none for all of it."""
        folders = [folder for log in self.log for folder in Path(log).parents if folder.is_dir()]
        reason = no_room(None, folders[0]) if folders else None
        if reason:
            return str(room_error("outputs", reason))
        return "ended without a message; look above" + (f", or into {self.log[0]}" if text else "")


def tell_at_the_end(failed: Iterable[Sequence[FailedJob]]) -> None:
    """Repeat the errors of failed jobs as the last thing that this process prints.

    Each entry has the jobs of a group, which a cluster runs together; elsewhere it has one job.
    """
    lines = sorted({job.line for group in failed for job in [j for j in group if j.says_why] or group})
    if lines:
        text = "".join(f"  {line}\n" for line in lines)
        atexit.register(_tell, f"\nFailed jobs:\n{text}")


def tell_recommendation(path: Path) -> None:
    """Print the lines of a study's recommendation, from its JSON, as the last thing of this process.

    A run that ended before it was written (`--until`) has none.
    """
    if not path.is_file():
        return
    lines = read_json(path, ("summary",))["summary"]
    atexit.register(_tell, "\n" + "".join(f"{line}\n" for line in lines))


def _tell(text: str) -> None:
    # Below Python's own stream, which may be closed or redirected by then.
    os.write(2, text.encode(errors="backslashreplace"))
