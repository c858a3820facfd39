"""While Snakemake runs a study: no second call on the same one, and failed jobs are told at the end."""

import atexit
import csv
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

from superres.data.download.addresses import redact
from superres.device.base.errors import UserError
from superres.device.base.locks import lock
from superres.device.base.outputs import read_json
from superres.device.base.room import no_room, room_error
from superres.device.machine.memory import check_limit
from superres.report.labels import arm_folder, arm_label
from superres.report.receipts import JOBS

_ERROR = "error: "


def lock_study(name: str, results: Path) -> IO[str]:
    """Keep a second call away from a study; the lock ends with this process, or when the file is closed.

    Raises UserError if another call has it, if nothing can be written to `results`, and if jobs may not take
    the memory that libraries alone need. On a file system without locks, that is said and the study runs.
    """
    check_limit()
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
    _wait_for_jobs(name, results / JOBS)
    return file


def _wait_for_jobs(name: str, path: Path) -> None:
    """Wait until no job of an earlier call runs: one that was killed by itself leaves its jobs behind."""
    with path.open("a", encoding="utf-8") as jobs:
        try:
            lock(jobs)
        except BlockingIOError:
            sys.stderr.write(f"study {name}: waits for jobs of an earlier call, which was killed\n")
            lock(jobs, wait=True)


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: its rule, its wildcards, its log, and why a scheduler ended it, if one did."""

    rule: str
    wildcards: Mapping[str, str]
    log: Sequence[str]
    lost: str | None = None

    @property
    def line(self) -> str:
        """The job's name, its error and the log that has more of it, in one line."""
        name = " ".join([self.rule, *(f"{key}={value}" for key, value in self.wildcards.items())])
        text = self._said()
        return f"{name}: {self._error(text)}" + (f" (log: {self.log[0]})" if text else "")

    @property
    def says_why(self) -> bool:
        """Whether it is known why the job failed. Others of its group may only have ended with it."""
        text = self._said()
        return self.lost is not None or _ERROR in text or "Traceback" in text

    def _said(self) -> str:
        try:
            return Path(self.log[0]).read_text(encoding="utf-8", errors="replace")
        except (IndexError, OSError):
            return ""

    def _error(self, text: str) -> str:
        """Return the last error in the text of a log, else its last line, such as that of a traceback.

        What a scheduler did to the job comes first: the text may be of an earlier run.
        """
        if self.lost is not None:
            return self.lost
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(_ERROR)]
        if errors:
            return errors[-1].removeprefix(_ERROR)
        if "Traceback" in text:
            return redact(lines[-1])
        return self._silence()

    def _silence(self) -> str:
        """Return why a log has no message: a full disk has no room for it, or none for all of it."""
        folders = [folder for log in self.log for folder in Path(log).parents if folder.is_dir()]
        reason = no_room(None, folders[0]) if folders else None
        return (
            str(room_error("outputs", reason))
            if reason
            else "ended without a message: killed, or without memory"
        )


def culprits(group: Sequence[FailedJob]) -> Sequence[FailedJob]:
    """Return the jobs of a group, which a cluster runs together, that failed themselves; all if none says."""
    return [job for job in group if job.says_why] or group


def seconds_between(start: float | None, end: float | None) -> float | None:
    """Return the seconds that a job took; None if its record doesn't say, or its output is older than it."""
    return end - start if start is not None and end is not None and end > start else None


def tell_failures(failed: Iterable[FailedJob], logs: Sequence[str]) -> None:
    """Repeat the errors of failed jobs as the last thing that this process prints, below the run's log."""
    lines = sorted({job.line for job in failed})
    if lines:
        text = "".join(f"  {line}\n" for line in lines)
        whole = "".join(f"\nWhole log: {log}" for log in logs)
        atexit.register(tell, f"{whole}\nFailed jobs:\n{text}")


def tell_end(jobs: Iterable[Any], results: Path, video: str | None) -> None:
    """Say, as the last thing of this process, what a run of Snakemake's `jobs` brought.

    That is the study's recommendation if it was made, where the upscaled `video` is, or else the folder of
    the files asked for: those that rules without a file of their own collect.
    """
    jobs = list(jobs)
    names = {job.rule.name for job in jobs}
    asked = [file for job in jobs if not job.output for file in job.input]
    if "write_recommendation" in names:
        tell_results(results, whole="all" in names)
    if "upscale_video" in names:
        atexit.register(tell, f"Video: {video}\n")
    elif "write_recommendation" not in names and asked:
        folders = [str(Path(file).parent) for file in asked]
        atexit.register(tell, f"Results: {os.path.commonpath(folders)}\n")


def tell_results(results: Path, *, whole: bool) -> None:
    """Print the lines of a study's recommendation, from its JSON, as the last thing of this process.

    A run that ended before it was written (`--until`) has none. After a `whole` study also what did not run
    and why, and where its page is.
    """
    path = results / "recommendation.json"
    if not path.is_file():
        return
    lines = list(read_json(path, ("summary",))["summary"])
    if whole:
        page = results / "report/index.html"
        lines += [*_not_run(results / "metrics.csv"), *([f"Page: {page}"] if page.is_file() else [])]
    atexit.register(tell, "\n" + "".join(f"{line}\n" for line in lines))


def _not_run(metrics: Path) -> list[str]:
    """Return a line for each reason for which arms did not run, with these arms."""
    arms: dict[str, dict[str, None]] = {}
    with metrics.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["status"] != "ok":
                arms.setdefault(row["status"], {})[arm_label(arm_folder(row))] = None
    return [f"{status[0].upper()}{status[1:]}: {', '.join(names)}" for status, names in arms.items()]


def unknown_targets(asked: Iterable[str], known: Collection[str], shown: Iterable[str]) -> list[str]:
    """Return a line for each target that looks like a name and is none of those `known`; files are others.

    `shown` are the names that are for people.
    """
    lines, names = [], sorted(shown)
    for target in asked:
        if re.fullmatch(r"[A-Za-z0-9_+-]+", target) and target not in known and not Path(target).exists():
            close = " or ".join(get_close_matches(target, names, n=2))
            meant = f" (did you mean {close}?)" if close else ""
            lines.append(
                f"expected a target that this study has, found {target!r}{meant}; it has: {', '.join(names)}"
            )
    return lines


def unknown_files(asked: Iterable[str], jobs: Iterable[Any], rules: Iterable[Any]) -> list[str]:
    """Return a line for each target that is a file which a study doesn't make; names are others.

    `jobs` are those of the run, none if Snakemake found no way to make what was asked for. They and `rules`
    have `input` and `output`.
    """
    made = _files_of(jobs)
    lost = [target for target in asked if "/" in target and not Path(target).exists() and target not in made]
    known = _files_of(rules) if lost else set()
    lines = []
    for target in (target for target in lost if target not in known):
        close = " or ".join(get_close_matches(target, sorted(known), n=2, cutoff=0.8))
        meant = f" (did you mean {close}?)" if close else "; snakemake --list has its targets"
        lines.append(f"expected a file that this study makes, found {target!r}{meant}")
    return lines


def _files_of(steps: Iterable[Any]) -> set[str]:
    """Return the files of rules or jobs whose names have no wildcards."""
    files = (file for step in steps for file in (*step.input, *step.output) if isinstance(file, str))
    return {str(file) for file in files if "{" not in file}


def tell(text: str) -> None:
    """Print a text at the end of this process, below Python's own stream, which may be closed by then."""
    os.write(2, text.encode(errors="backslashreplace"))
