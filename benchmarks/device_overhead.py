"""Time a job with next to no work on a device and here: what a device adds to each job.

    .venv/bin/python benchmarks/device_overhead.py jetson.lan --python python3 --jobs 10

The job builds the engine of the bicubic baseline, which needs only numpy. The first job sends the worker to
the device and isn't counted. Prints the fastest and the median of the others. On loopback on an idle
machine, a job takes less than 2 s.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from superres.device.job import Job
from superres.targets.local import run_here
from superres.targets.remote.errand import run_on_device
from superres.targets.settings import Device


def make_job(folder: Path, target: str) -> Job:
    outputs = {"engine": str(folder / "engine.bin"), "record": str(folder / "engine.json")}
    settings = {"options": {"frames": "uint8"}}
    return Job("build_engine", "opencv", "uint8", 1, {}, outputs, settings, f"{target}/opencv/bicubic/uint8")


def time_jobs(run: Callable[[], None], jobs: int) -> list[float]:
    """Return the seconds of each run, after one that isn't counted."""
    run()
    seconds = []
    for _ in range(jobs):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description="Time jobs that do next to nothing, on a device and here.")
    parser.add_argument("ssh", help="the address, as for ssh")
    parser.add_argument("--python", default="python3", help="Python on the device")
    parser.add_argument("--workdir", default="superres-work", help="folder on the device")
    parser.add_argument("--ssh-config", default="", help="a file instead of the user's own")
    parser.add_argument("--jobs", type=int, default=10)
    chosen = parser.parse_args()
    device = Device(
        name="device",
        ssh=chosen.ssh,
        python=chosen.python,
        workdir=chosen.workdir,
        ssh_config=chosen.ssh_config,
    )
    with tempfile.TemporaryDirectory() as folder:
        job = make_job(Path(folder), device.name)
        runs: dict[str, Callable[[], None]] = {
            "device": lambda: run_on_device(job, device, lambda line: None),
            "here": lambda: run_here(replace(job, label="local/opencv/bicubic/uint8"), lambda line: None),
        }
        print(f"{'a job':8} {'quickest s':>10} {'median s':>9}")
        for where, run in runs.items():
            seconds = time_jobs(run, chosen.jobs)
            print(f"{where:8} {min(seconds):10.2f} {median(seconds):9.2f}")


if __name__ == "__main__":
    main()
