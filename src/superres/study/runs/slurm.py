"""Jobs on a Slurm cluster: in one line, why one was ended, and why others don't start.

Snakemake's messages name a job's output and the log of Slurm; they don't say that a job was over its memory.
"""

import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from superres.device.base.words import counted

# What Slurm writes into a job's log when it ends it. The first pattern that is found counts.
_IN_LOGS = (
    (r"exceeded (job |step )?memory limit|oom[-_ ]kill", "was over its memory"),
    (r"DUE TO TIME LIMIT", "was over its time"),
    (r"DUE TO NODE FAIL", "lost its node"),
    (r"DUE TO PREEMPTION", "was preempted"),
    (r"CANCELLED AT", "was cancelled"),
)
# States that the plugin names. FAILED is a job's own error, unless its log says more.
_STATES = {
    "OUT_OF_MEMORY": "was over its memory",
    "TIMEOUT": "was over its time",
    "DEADLINE": "was over its deadline",
    "NODE_FAIL": "lost its node",
    "BOOT_FAIL": "lost its node",
    "PREEMPTED": "was preempted",
    "CANCELLED": "was cancelled",
}
_HINDRANCE = re.compile(r"DOWN|DRAIN|NotAvail|Partition|Invalid|Account|Bad|Held|Assoc|Licen")
_SECONDS_BETWEEN_LOOKS = 20.0


class SlurmWatch(logging.Handler):
    """Listens to Snakemake's messages of submitted and failed jobs, and looks at those that wait."""

    def __init__(self, seconds: float = _SECONDS_BETWEEN_LOOKS):
        super().__init__()
        self._seconds = seconds
        self._reasons: dict[str, str] = {}
        self._waiting: set[str] = set()
        self._said = False
        threading.Thread(target=self._look, daemon=True).start()

    def why(self, logs: Sequence[str]) -> str | None:
        """Return what Slurm did to the job with these logs; None if the job's end was its own."""
        return next((self._reasons[log] for log in logs if log in self._reasons), None)

    def emit(self, record: logging.LogRecord) -> None:
        """Take notice of a message of Snakemake's."""
        submitted = re.search(r"submitted with SLURM jobid (\d+)", record.getMessage())
        if submitted:
            self._waiting.add(submitted[1])
        match str(getattr(record, "event", "")):
            case "job_error" if not record.__dict__["indent"]:
                fields = record.__dict__
                self._judge([fields], fields["rule_msg"], [log for log in fields["log"] if is_slurms(log)])
            case "group_error":
                self._judge(record.__dict__["job_error_info"], None, record.__dict__["aux_logs"])

    def _judge(self, jobs: Sequence[dict[str, Any]], message: str | None, logs: Sequence[str | None]) -> None:
        """Say in one line what Slurm did to a job, or to the jobs of a group; nothing if it did nothing."""
        reason = reason_of(message, [log for log in logs if log])
        own = [str(log) for job in jobs for log in job["log"] if not is_slurms(str(log))]
        for log in own:
            self._reasons.pop(log, None)
        if reason is None:
            return
        self._reasons.update(dict.fromkeys(own, reason))
        names = ", ".join(sorted({str(job["rule_name"]) for job in jobs}))
        first = next((str(output) for job in jobs for output in job["output"]), "no output")
        _say(f"{names} ({first}): {reason}")

    def _look(self) -> None:
        while True:
            time.sleep(self._seconds)
            jobs = self._hindered()
            if jobs and not self._said:
                reasons = "' and '".join(sorted(set(jobs.values())))
                wait = "waits" if len(jobs) == 1 else "wait"
                said = f"{counted(len(jobs), 'job')} {wait}: Slurm says '{reasons}'"
                _say(f"{said}; see: sinfo --list-reasons")
            self._said = bool(jobs)

    def _hindered(self) -> dict[str, str]:
        """Return the reasons of waiting jobs, by their ids, if they don't end by themselves."""
        if not self._waiting:
            return {}
        command = ["squeue", "--noheader", "--states=PENDING", "--format=%i|%r"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        rows = (line.partition("|") for line in answer.splitlines())
        return {job: reason for job, _, reason in rows if job in self._waiting and _HINDRANCE.search(reason)}


def is_slurms(log: str) -> bool:
    """Return whether a log is Slurm's: the plugin names it by the number of the job."""
    return re.search(r"/slurm_logs/.*/\d+\.log", log) is not None


def reason_of(message: str | None, logs: Sequence[str]) -> str | None:
    """Return why Slurm ended a job, from the plugin's message and Slurm's log; None if it ended by itself."""
    files = [Path(log) for log in logs if Path(log).is_file()]
    text = "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    found = [reason for pattern, reason in _IN_LOGS if re.search(pattern, text)]
    state = re.search(r"SLURM status is:\s*'(\w+)'", message or "")
    if not found and state and state[1] in _STATES:
        found = [_STATES[state[1]]]
    if not found and logs and not files:
        # A group's message names no state. A job that never started has no log.
        found = ["was cancelled before it started"]
    numbers = re.findall(r"SLURM-job '(\w+)'", message or "") or [Path(log).stem for log in logs]
    return f"Slurm's job {numbers[0] if numbers else '?'} {found[0]}" if found else None


def _say(line: str) -> None:
    sys.stderr.write(f"slurm: {line}\n")
