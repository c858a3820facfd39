"""This machine as a target: runs the worker in a process of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from superres import device
from superres.device.job import Job
from superres.targets.outcome import WorkerLines, sigterm_as_exit

_SECONDS_TO_STOP = 10.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_here(job: Job, log: Callable[[str], object] | None = None) -> None:
    """Run a job in a worker process and wait for it.

    `log` gets each line (with its end) of the worker's stderr; the default is this process's stderr. Raises
    UserError with the worker's error line, which isn't logged. Raises RuntimeError with task, arm and exit
    code or signal for any other failure. SIGTERM and Ctrl-C stop the worker too.
    """
    lines = WorkerLines(log or sys.stderr.write)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        path = Path(folder) / "job.json"
        path.write_text(job.to_json(), encoding="utf-8")
        returncode = _run_worker(path, job.threads, lines)
    lines.finish(job, returncode)


def _run_worker(path: Path, threads: int, lines: WorkerLines) -> int:
    """Run the worker and return its exit code."""
    # The worker's stdin stays empty. Its end tells the worker that this process is gone.
    command = [sys.executable, "-m", device.__name__, "--with-stdin", str(path)]
    with sigterm_as_exit():
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
                    lines.add(line)
                return process.wait()
            finally:
                _stop(process)


def _environment(threads: int) -> dict[str, str]:
    """Return this process's environment with the job's number of threads and the path to this package."""
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
