"""What a run shows while its jobs run: a plugin for Snakemake's interface of loggers.

On a terminal a few lines that are drawn anew: what is done, what runs, and the time that is left. What jobs
print goes into Snakemake's log of the run. Elsewhere, as in CI, one plain line for each job that ended, among
what jobs print. `before.prepare_run` registers it, so nothing has to be installed; the profile chooses it.
"""

import errno
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from superres.device.base.words import counted
from superres.study.runs.during import FailedJob
from superres.study.runs.plan import Plan, describe_seconds

NAME = "superres"
# Rules that are asked for what they say.
_SPOKEN = ("verify", "repair", "check_device", "clean_device")
# What Snakemake says of itself before a run, and does not help anyone.
_CHATTER = (
    "Building DAG",
    "Config file",
    "host: ",
    "Using shell",
    "Conda environments: ignored",
    "Assuming unrestricted",
)
_CHATTER_EVENTS = (LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.RUN_INFO)
# What Snakemake logs when it was interrupted, before the jobs that end with it.
_INTERRUPTED = "Terminating processes on user request"
_BAR = 24
_REDRAWN_EACH_S = 1.0
_TAIL = 4096
# What the kernel says of a disk, of rights, and of a machine that has no more of something.
_REFUSED = (
    *(
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ESTALE,
    ),
    *(errno.EBUSY, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE),
)
_OS_ERROR = re.compile(r"Error: \[Errno (?P<number>\d+)\] [^:]*(?:: '(?P<path>.*)')?$")
_STEPS = re.compile(r"\b(\d+)/(\d+)\b")


def register() -> None:
    """Make the plugin known to Snakemake as `superres`."""
    LoggerPluginRegistry().register_plugin(f"snakemake_logger_plugin_{NAME}", sys.modules[__name__])


def show(handlers: Iterable[object], plan: Plan, study: str, logs: Iterable[str]) -> None:
    """Begin to show the progress of a plan, if this plugin is among the handlers of Snakemake's log.

    `logs` are the files that the whole log goes into.
    """
    for handler in handlers:
        if isinstance(handler, LogHandler):
            handler.begin(plan, study, next(iter(logs), os.devnull))


def explain(handlers: Iterable[object], unknown: Callable[[], Sequence[str]], results: str) -> None:
    """Let the lines of `unknown`, which end the process, stand in place of Snakemake's texts of the same.

    `unknown` says which targets a study doesn't make, `results` is its folder.
    """
    for handler in handlers:
        if isinstance(handler, LogHandler):
            handler.explained = lambda text: _lacks_only(text, results) and bool(unknown())


class LogHandler(LogHandlerBase):
    """Shows what Snakemake logs: its own texts until a run begins, then the progress of the run."""

    # Its filter and formatter are Snakemake's, which follow the options of the call.
    writes_to_stream = property(lambda _: True)  # pyright: ignore[reportIncompatibleMethodOverride]
    writes_to_file = property(lambda _: False)  # pyright: ignore[reportIncompatibleMethodOverride]
    has_filter = has_formatter = writes_to_file  # pyright: ignore[reportIncompatibleMethodOverride]
    needs_rulegraph = writes_to_file  # pyright: ignore[reportIncompatibleMethodOverride]

    explained: Callable[[str], bool] = staticmethod(lambda _: False)

    def __post_init__(self) -> None:
        settings: Any = self.common_settings
        self._dryrun = settings.dryrun
        # Who asks for more or less gets Snakemake's own texts.
        self._asked = bool(
            settings.verbose or settings.quiet or settings.printshellcmds or settings.debug_dag
        )
        self._texts = ColorizingTextHandler(settings.nocolor, sys.stdout if settings.stdout else sys.stderr)
        self._live = not self._asked and not self._dryrun and self._texts.is_tty and _can_move()
        self._plan: Plan | None = None
        self._screen: _Screen | None = None
        self._study, self._failed, self._began = "", 0, 0.0
        self._stopped = False
        self._over = threading.Event()

    def setFormatter(self, fmt: logging.Formatter | None) -> None:  # noqa: N802 (of logging)
        super().setFormatter(fmt)
        self._texts.setFormatter(fmt)

    def begin(self, plan: Plan, study: str, log: str) -> None:
        """Show the progress of a plan from now on; on a terminal, what jobs print goes to the file `log`."""
        if self._asked:
            return
        with self._locked():
            self._plan, self._study, self._began = plan, study, time.monotonic()
            if self._live:
                self._screen = _Screen(log)
                threading.Thread(target=self._redraw, daemon=True).start()
                self._draw()
            else:
                self._say(
                    f"{study}: {counted(len(plan.jobs), 'job')}, about {describe_seconds(plan.left_s())}"
                )

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record; those of jobs only count for the progress."""
        event = getattr(record, "event", None)
        if event == LogEvent.ERROR and (line := machine_error(str(record.msg))):
            self._say(line)
        elif self._plan is None:
            if event == LogEvent.ERROR and not self._asked and self.explained(str(record.msg)):
                return
            if self._asked or self._dryrun or not (self._live and _is_chatter(record, event)):
                self._texts.emit(record)
        elif event == LogEvent.RUN_INFO:
            # This thread may be behind the one that begins.
            if not self._live:
                self._texts.emit(record)
        elif self._stopped or str(record.msg).startswith(_INTERRUPTED):
            self._stop(self._plan, event, record)
        elif event is None or event == LogEvent.ERROR:
            if record.levelno >= logging.WARNING and getattr(record, "exception", "") != "RuleException":
                self._say(self.format(record))
        else:
            self._follow(self._plan, event, record)

    def close(self) -> None:
        """End what is shown; the terminal is as it was before."""
        with self._locked():
            self._over.set()
            if self._screen is not None:
                self._screen.end()
                self._screen = None
            if self._plan is not None and self._began:
                ended = len(self._plan.ended) - self._failed
                failed = f", {self._failed} failed" if self._failed else ""
                failed += "; stopped: the same call goes on from here" if self._stopped else ""
                passed = describe_seconds(time.monotonic() - self._began)
                jobs = counted(len(self._plan.jobs), "job")
                self._say(f"{self._study}: {ended} of {jobs} done in {passed}{failed}")
            self._began = 0.0
        super().close()

    def _locked(self) -> Any:
        """Return the lock that logging holds while it emits."""
        return self.lock

    def _follow(self, plan: Plan, event: LogEvent, record: Any) -> None:
        now = time.monotonic()
        if event == LogEvent.JOB_INFO:
            plan.start(record.jobid, now)
        elif event == LogEvent.JOB_FINISHED:
            plan.end(record.job_id, now)
            self._tell_end(plan, record.job_id, "")
        elif event == LogEvent.JOB_ERROR:
            plan.end(record.jobid, now, failed=True)
            self._failed += 1
            self._tell_end(plan, record.jobid, "failed: ")
        if self._screen is not None:
            self._draw()

    def _stop(self, plan: Plan, event: LogEvent | None, record: Any) -> None:
        """Say once that the run was interrupted; jobs that end with it have not failed."""
        if not self._stopped:
            self._stopped = True
            self._say(f"{self._study}: stopping, running jobs end first")
        elif event == LogEvent.JOB_FINISHED:
            self._follow(plan, event, record)
        elif event == LogEvent.JOB_ERROR:
            plan.running.pop(record.jobid, None)

    def _tell_end(self, plan: Plan, number: int, mark: str) -> None:
        """Say that a job has ended: each without a terminal, on one what failed and what was asked for."""
        job = plan.jobs.get(number)
        if job is None or not (job.log or mark):
            # A target, which only gathers files.
            return
        if self._screen is None:
            left = f"; about {describe_seconds(plan.left_s(time.monotonic()))} left"
            self._say(f"[{len(plan.ended)}/{len(plan.jobs)}] {mark}{job.name}{left}")
            return
        if job.rule in _SPOKEN:
            with suppress(OSError):
                self._say(Path(job.log[0]).read_text(encoding="utf-8", errors="replace").rstrip("\n"))
        elif mark:
            self._say(mark + FailedJob(job.rule, job.wildcards, job.log).line)

    def _say(self, text: str) -> None:
        if self._screen is not None:
            self._screen.say(text)
        else:
            # One write keeps it apart from what jobs write.
            with suppress(OSError):
                os.write(2, f"{text}\n".encode(errors="backslashreplace"))

    def _redraw(self) -> None:
        while not self._over.wait(_REDRAWN_EACH_S):
            with self._locked():
                self._draw()

    def _draw(self) -> None:
        if self._screen is not None and self._plan is not None:
            self._screen.draw(block(self._plan, self._study, self._began, time.monotonic()))


def block(plan: Plan, study: str, began: float, now: float) -> list[str]:
    """Return the lines of a terminal: how far the run is, then the running jobs with their own progress."""
    lines = []
    for number, started in plan.running.items():
        job, said = plan.jobs[number], _last_line(plan.jobs[number].log)
        if steps := _STEPS.search(said):
            plan.progress(number, int(steps[1]), int(steps[2]))
        lines.append(f"  {job.name}  {describe_seconds(now - started.at)}  {said}".rstrip())
    left, passed = plan.left_s(now), now - began
    filled = min(_BAR, round(_BAR * passed / (passed + left))) if passed + left > 0 else 0
    count = f"{len(plan.ended)} of {counted(len(plan.jobs), 'job')}"
    bar = f"[{'#' * filled}{'.' * (_BAR - filled)}]"
    ahead = f"about {describe_seconds(left)} left" if len(plan.ended) < len(plan.jobs) else "ending"
    return [f"{study} {bar} {count}, {describe_seconds(passed)} so far, {ahead}", *lines]


def machine_error(text: str) -> str | None:
    """Return one line for an error of Snakemake's if the machine refused something; None for others."""
    lines = text.strip().splitlines()
    if "Write-protected output files" in text:
        return (
            f"error: {lines[-1].strip()}: expected a file that can be written, found it read-only; "
            "change its rights, or run in a folder of your own: snakemake -s PATH/Snakefile"
        )
    found = _OS_ERROR.search(lines[-1]) if "Traceback" in text else None
    if found is None or int(found["number"]) not in _REFUSED:
        return None
    return (
        f"error: {found['path'] or Path.cwd()}: expected Snakemake to read and write here, found: "
        f"{os.strerror(int(found['number'])).lower()}; give it room and rights, and run it again"
    )


def _lacks_only(text: str, results: str) -> bool:
    """Return whether a text of Snakemake's is of files without a rule, all in the folder of the results."""
    _, missing, files = text.partition("affected files:\n")
    if text.startswith("MissingRuleException"):
        return True
    inside = (line.strip().startswith(f"{results}/") for line in files.strip().splitlines())
    return bool(missing) and text.startswith("MissingInputException") and all(inside)


def _last_line(log: Iterable[str]) -> str:
    """Return what a job said last, without its own name; empty if that isn't known."""
    try:
        with Path(next(iter(log))).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            text = file.read().decode("utf-8", errors="replace")
    except (OSError, StopIteration):
        return ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1].rpartition(": ")[2]) if lines else ""


class _Screen:
    """Lines at the end of a terminal that are drawn anew, and what is printed above them.

    Until `end`, whatever this process and its jobs print on the terminal goes into a file.
    """

    def __init__(self, log: str):
        self._shown = 0
        sys.stdout.flush()
        sys.stderr.flush()
        terminals = [number for number in (1, 2) if os.isatty(number)]
        self._saved = {number: os.dup(number) for number in terminals}
        target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        for number in terminals:
            os.dup2(target, number)
        os.close(target)

    def draw(self, lines: list[str]) -> None:
        """Replace the lines."""
        size = shutil.get_terminal_size()
        with suppress(OSError, KeyError):
            size = os.get_terminal_size(self._saved[2])
        lines = [line[: size.columns - 1] for line in lines[: max(1, size.lines - 1)]]
        self._write(self._erased() + "\n".join(lines))
        self._shown = len(lines)

    def say(self, text: str) -> None:
        """Print a text above the lines, which the next drawing brings back."""
        self._write(f"{self._erased()}{text}\n")
        self._shown = 0

    def end(self) -> None:
        """Erase the lines and give the terminal back."""
        self._write(self._erased())
        for number, saved in self._saved.items():
            os.dup2(saved, number)
            os.close(saved)
        self._saved = {}

    def _erased(self) -> str:
        up = f"\x1b[{self._shown - 1}A" if self._shown > 1 else ""
        return f"{up}\r\x1b[J" if self._shown else ""

    def _write(self, text: str) -> None:
        # A terminal that is gone ends what is shown, not the run.
        with suppress(OSError):
            os.write(self._saved.get(2, 2), text.encode(errors="backslashreplace"))


def _can_move(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal knows how to move its cursor."""
    return environ.get("TERM", "dumb") != "dumb"


def _is_chatter(record: logging.LogRecord, event: LogEvent | None) -> bool:
    said = str(record.msg).lstrip()
    return record.levelno < logging.WARNING and (event in _CHATTER_EVENTS or said.startswith(_CHATTER))
