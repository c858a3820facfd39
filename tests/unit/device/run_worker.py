"""Run a job as a worker does, in this process."""

import signal
from pathlib import Path

from superres.device.job import Job
from superres.device.tasks import worker


def run(job: Job, folder: Path) -> int:
    """Run a job whose file lies in `folder`; returns the worker's exit code."""
    (folder / "job.json").write_text(job.to_json())
    before = signal.getsignal(signal.SIGTERM)
    try:
        return worker.main([str(folder / "job.json")])
    finally:
        signal.signal(signal.SIGTERM, before)
