"""This machine as a target: the worker in a process of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from superres import device
from superres.device.errors import UserError
from superres.device.job import Job
from superres.device.worker import USER_ERROR

_SECONDS_TO_STOP = 10.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ERROR = "error: "


def run_job(job: Job, log: Callable[[str], object] | None = None) -> None:
    """Run a job in a worker process and wait for it.

    `log` is given each line (with its end) that the worker writes to stderr, by default it goes to this
    process's stderr. A worker's error line is not logged but raised as UserError; any other ending is a
    RuntimeError that names task, arm and exit code or signal. SIGTERM and Ctrl-C stop the worker too.
    """
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(job.to_json(), encoding="utf-8")
        returncode, error = _run_worker(path, job.threads, log or sys.stderr.write)
    if returncode == USER_ERROR and error:
        raise UserError(error)
    if returncode != 0:
        raise RuntimeError(f"{job.task} {job.label}: the worker ended with {_ending(returncode)}")


def _run_worker(path: Path, threads: int, log: Callable[[str], object]) -> tuple[int, str]:
    """Exit code of the worker, and what its error line says."""
    # The worker never gets anything to read: that its stdin ends tells it that nobody waits any longer.
    command = [sys.executable, "-m", device.__name__, "--with-stdin", str(path)]
    error = ""
    with _sigterm_as_exit():
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(threads),
        )
        with process:
            try:
                for line in process.stderr or ():
                    if line.startswith(_ERROR):
                        error = line[len(_ERROR) :].rstrip()
                    else:
                        log(line)
                return process.wait(), error
            finally:
                _stop(process)


def _environment(threads: int) -> dict[str, str]:
    """This process's environment, with the job's own number of threads and with this package to be found."""
    paths = [str(Path(device.__path__[0]).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        **dict.fromkeys(_THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    """Turn SIGTERM into an exception, which stops the worker on its way; only a main thread can."""
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
