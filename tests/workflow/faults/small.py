"""The smallest study with every kind of file: two frames, one network, two precisions, PSNR and timings."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from project_copy import Project, copy_project

STUDY = """
study: small
clips: [{name: two, source: {type: images, path: photos}}]
models: [{name: espcn_rgb}]
runtimes: [{name: openvino, precisions: [fp32, int8-minmax]}]
"""
FILES = ("--configfile", "studies/tiny.yaml", "studies/small.yaml")
TARGETS = ("openvino", "results/small/evaluation.csv", "results/small/evaluation.md")
ARM = "arms/local/openvino/espcn_rgb/int8-minmax"
# What has the times of one run in it, in folders of their own or by name.
_TIMED = (".receipts", "logs", "benchmarks", "latency.csv", "latency.json", ".lock", ".jobs")
# Ends waiting for what never comes.
_SECONDS = 600.0


@dataclass(frozen=True)
class SmallStudy:
    """The study in a copy of the project."""

    project: Project

    @property
    def folder(self) -> Path:
        return self.project.folder

    @property
    def results(self) -> Path:
        return self.folder / "results/small"

    def call(self, *words: str, **keys: Any) -> subprocess.CompletedProcess[str]:
        """Call Snakemake for all of the study, or with other words, and wait for it."""
        return self.project.snakemake("--cores", "2", *(words or TARGETS), *FILES, **keys)

    def finish(self) -> None:
        """Call it, which has to end well."""
        done = self.call()
        assert done.returncode == 0, done.stdout[-4000:]

    def verify(self) -> None:
        """Call `verify`, which has to find nothing."""
        done = self.call("verify")
        assert done.returncode == 0 and ": 0 differences" in done.stdout, done.stdout[-3000:]

    def start(self, said: Path = Path(os.devnull)) -> subprocess.Popen[bytes]:
        """Start Snakemake in a session of its own; what it says goes into a file."""
        command = self.project.command(["--cores", "2", *TARGETS, *FILES])
        with said.open("wb") as out:
            return subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out, start_new_session=True)

    def contents(self) -> dict[str, Any]:
        """All files with a final name but timings, by their names; records without their times."""
        found: dict[str, Any] = {}
        for path in sorted(self.results.rglob("*")):
            name = path.relative_to(self.results)
            if (
                path.is_file()
                and not path.name.endswith(".part")
                and not {*name.parts, name.name} & {*_TIMED}
            ):
                content = path.read_bytes()
                found[name.as_posix()] = _timeless(json.loads(content)) if path.suffix == ".json" else content
        return found

    def states(self) -> set[tuple[str, int, int]]:
        """Every file's name, inode and time: what a job writes makes a new one."""
        found: set[tuple[str, int, int]] = set()
        for folder, _, names in os.walk(self.results):
            for name in names:
                try:
                    status = Path(folder, name).stat()
                except FileNotFoundError:
                    continue
                found.add((f"{folder}/{name}", status.st_ino, status.st_mtime_ns))
        return found


def make_small(folder: Path) -> SmallStudy:
    """Return the study in a new copy of the project, not yet run."""
    project = copy_project(folder)
    (folder / "photos").mkdir()
    for k in range(2):
        noise = np.random.default_rng(k).integers(0, 256, (12, 16, 3), np.uint8)
        large = Image.fromarray(noise).resize((64, 48), Image.Resampling.BICUBIC)
        large.save(folder / f"photos/{k}.png")
    project.write_study("small", STUDY)
    return SmallStudy(project)


def _timeless(record: Any) -> Any:
    """A record without times, nor hashes of records with times."""
    if isinstance(record, Mapping):
        path = str(record.get("path", ""))
        if path.endswith((".json", "latency.csv")) and "sha256" in record:
            return path
        return {
            key: _timeless(value)
            for key, value in record.items()
            if "seconds" not in key and key != "latency"
        }
    return [_timeless(value) for value in record] if isinstance(record, list) else record


def kill_at(study: SmallStudy, run: subprocess.Popen[bytes], events: int, delay: float) -> None:
    """Kill a run's whole process tree `delay` seconds after its jobs have written so many files."""
    before, end = study.states(), time.monotonic() + _SECONDS
    seen: set[tuple[str, int, int]] = set()
    while len(seen) < events:
        assert run.poll() is None, f"the run ended after {len(seen)} of {events} events"
        assert time.monotonic() < end, f"only {len(seen)} of {events} events came"
        seen |= study.states() - before
        time.sleep(0.002)
    time.sleep(delay)
    assert run.poll() is None, "the run ended before it could be killed"
    kill_tree(run)


def kill_tree(run: subprocess.Popen[bytes]) -> None:
    """Kill all processes of a run's session, whatever groups they are in, until none is left."""
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    while left := processes_of(run):
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def processes_of(run: subprocess.Popen[bytes]) -> list[int]:
    """The processes of a run's session, which it began."""
    every = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid for pid in every if _session(pid) == run.pid]


def wait_for(path: Path, run: subprocess.Popen[bytes]) -> None:
    """Wait until a run has made a file."""
    end = time.monotonic() + _SECONDS
    while not path.exists():
        assert run.poll() is None, "the run ended before its file was there"
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.005)


def _session(pid: int) -> int | None:
    """The session of a process that is no zombie; None for one that is gone."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(session)


def moments(seed: int, number: int, highest: int) -> list[tuple[int, float]]:
    """Moments to kill a run at: after so many files were written, and so many seconds more."""
    rng = random.Random(seed)
    return [(rng.randint(1, highest), rng.uniform(0, 0.2)) for _ in range(number)]
