"""Run a study from scratch and print its time, its memory, and the time outside runtimes and training.

    python benchmarks/run_study.py                       the default study
    python benchmarks/run_study.py studies/tiny.yaml     another one

Runs in a copy of the project, with the existing downloads. The project doesn't change.
"""

import argparse
import base64
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
COMPUTING = {
    "train_model",
    "observe_activations",
    "refine_onnx",
    "quantize_by_tool",
    "measure_quality",
    "measure_latency",
    "measure_roofline",
    "measure_profile",
    "measure_sensitivity",
    "measure_subsets",
    "time_subsets",
}
"""Rules whose jobs run a runtime or train."""


def main() -> None:
    """Copy the project, run the study, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="*", help="study files; the default study without any")
    study = parser.parse_args().study
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
            copy(ROOT / part, folder / part)
        if (ROOT / "resources").is_dir():
            (folder / "resources").symlink_to(ROOT / "resources")
        subprocess.run(["git", "-C", str(ROOT), "log", "-1", "--format=commit %h"], check=False)
        seconds, peak = run_study(folder, study)
        print(f"time   {seconds / 60:.1f} min")
        print(f"memory {peak / GIB:.2f} GiB at peak, all processes together")
        computing = computing_seconds(folder)
        print(f"outside runtimes and training {seconds - computing:.0f} s, {1 - computing / seconds:.0%}")
        print_shares(folder)


def run_study(folder: Path, study: list[str]) -> tuple[float, int]:
    """Return the seconds and peak bytes (PSS of the process tree) of `snakemake --cores 4 all`."""
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
    """Return the bytes of a process, shared pages in proportion; 0 if it has ended."""
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def computing_seconds(folder: Path) -> float:
    """Return the seconds in which at least one job ran a runtime or trained a network.

    Snakemake records when each job began and ended. The worker's own record excludes the start of Python,
    imports and the transfer of files.
    """
    spans = set()
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            job = json.loads(path.read_text(encoding="utf-8"))
            if job["rule"] in COMPUTING:
                # Snakemake names a record's file by its output, in base64.
                name = path.relative_to(folder / ".snakemake/metadata").as_posix()
                output = folder / base64.b64decode(name).decode()
                end = job["endtime"]
                spans.add((end - _seconds(output, end - job["starttime"]), end))
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def _seconds(output: Path, whole: float) -> float:
    """Return the seconds of the runtime from the record of an output; the whole job without a record."""
    record = output.with_suffix(".json")
    if not record.is_file():
        return whole
    found = json.loads(record.read_text(encoding="utf-8"))
    return min(whole, found.get("runtime_seconds", found.get("seconds", whole)))


def print_shares(folder: Path) -> None:
    """Print the share of each quality job's time that its runtime took."""
    print("share of the quality job spent in the runtime:")
    for path in sorted(folder.glob("results/*/arms/**/quality*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] == "ok":
            print(f"  {record['runtime_seconds'] / record['total_seconds']:4.0%}  {record['label']}")


if __name__ == "__main__":
    main()
