"""Run a study from nothing and print what it took: time, memory, and the runtimes' share of the quality jobs.

    python benchmarks/run_study.py                       the default study
    python benchmarks/run_study.py studies/tiny.yaml     another one

Runs in a copy of the project, with the downloads that are there already, and leaves the project as it is.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "config.yaml", "rules", "studies", "profiles", "workflow", "envs", "src")
GIB = 2**30


def main() -> None:
    """Copy the project, run the study, print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, folder / part)
        if (ROOT / "resources").is_dir():
            (folder / "resources").symlink_to(ROOT / "resources")
        seconds, peak = run_study(folder, sys.argv[1:])
        print(f"time   {seconds / 60:.1f} min")
        print(f"memory {peak / GIB:.2f} GiB at peak, all processes together")
        print_shares(folder)


def run_study(folder: Path, study: list[str]) -> tuple[float, int]:
    """Seconds and peak bytes (proportional set size of the whole process tree) of `snakemake --cores 4 all`."""
    command = [sys.executable, "-m", "snakemake", "--cores", "4", "all"]
    command += [f"--configfile={path}" for path in study]
    started = time.monotonic()
    process = psutil.Popen(command, cwd=folder)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(read_memory, [process, *process.children(recursive=True)])))
        time.sleep(0.5)
    if process.returncode != 0:
        raise SystemExit(process.returncode)
    return time.monotonic() - started, peak


def read_memory(process: psutil.Process) -> int:
    """Bytes that a process holds, shared pages in proportion; 0 for one that is gone."""
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def print_shares(folder: Path) -> None:
    """The share of each quality job's time that its runtime took."""
    print("share of the quality job spent in the runtime:")
    for path in sorted(folder.glob("results/*/arms/**/quality*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] == "ok":
            print(f"  {record['runtime_seconds'] / record['total_seconds']:4.0%}  {record['label']}")


if __name__ == "__main__":
    subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=commit %h"], check=False)
    main()
