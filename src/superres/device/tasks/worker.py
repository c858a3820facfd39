"""Run one job on this machine."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Dict, List, Optional

from superres.device.base.errors import USER_ERROR, UnsupportedError, UserError
from superres.device.base.garbage import spare_imports
from superres.device.base.outputs import Outputs, write_json
from superres.device.base.room import lacking
from superres.device.job import Job
from superres.device.machine.jetson import check_state, read_state, throttling
from superres.device.tasks import load_task
from superres.device.tasks.engine import base_record

_SECONDS_TO_STOP = 10.0


def run_job(job: Job) -> None:
    """Run a job on this machine.

    All outputs appear together at the end, or not at all. An arm that this machine can't run gets an
    empty engine, a CSV with only its header, and the reason as the record's status. Raises UserError.
    """
    task = load_task(job.task)
    before = read_state()
    check_state(before, job.conditions, f"before {job.task}")
    started = time.perf_counter()
    with Outputs(job.outputs) as outputs:
        try:
            status, facts = "ok", task.run(job, outputs)
        except UnsupportedError as error:
            status, facts = f"not run: {error}", task.write_empty(outputs)
        seconds = time.perf_counter() - started
        device = _device_facts(job, before)
        write_json(outputs["record"], {**base_record(job, seconds), "status": status, **device, **facts})


def _device_facts(job: Job, before: Dict[str, Any]) -> Dict[str, Any]:
    """Return the record's facts of the device's state; raises UserError if conditions aren't met."""
    after = read_state()
    check_state(after, job.conditions, f"after {job.task}")
    limited = throttling(before, after)
    if limited:
        events = ", ".join(f"{name} {count} times" for name, count in limited.items())
        sys.stderr.write(f"warning: {job.label}: the device may have slowed itself down: {events}\n")
    return {
        "conditions": job.conditions,
        "state_before": before,
        "state_after": after,
        "throttled": limited,
    }


def main(arguments: List[str]) -> int:
    """Run the job in the given file; returns the exit code, 2 for a user's mistake.

    With `--with-stdin` it stops when its standard input ends, that is, when its parent is gone.
    """
    signal.signal(signal.SIGTERM, _stop)
    spare_imports()
    if "--with-stdin" in arguments:
        arguments = [argument for argument in arguments if argument != "--with-stdin"]
        threading.Thread(target=_stop_with_stdin, daemon=True).start()
    try:
        if len(arguments) != 1:
            raise UserError("expected one job file: python -m superres.device JOB.json")
        run_job(Job.from_json(_read(Path(arguments[0]))))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return USER_ERROR
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        found = lacking(error, Path())
        if found is None:
            raise
        sys.stderr.write(f"error: {found}\n")
        return USER_ERROR
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected a job file, found none that can be read: {error}") from error


def _stop(number: int, frame: Optional[FrameType]) -> None:
    # An exception leaves through every `with`, which removes half-written files.
    raise SystemExit(128 + number)


def _stop_with_stdin() -> None:
    # Read the descriptor: a thread that waits inside `sys.stdin` breaks Python's shutdown.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # A runtime inside a long call doesn't handle signals.
    time.sleep(_SECONDS_TO_STOP)
    os._exit(128 + signal.SIGTERM)
