"""Several devices at once: each works by itself, and one that dies stops only its own arms."""

import base64
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from far_side import NEEDS_SSHD, FarSide, far_python, wait_until
from project_copy import Project, read_jobs
from superres.device.agent.jobs import closing, take_lock

pytestmark = NEEDS_SSHD

NORTH, SOUTH = "north", "south-1"
PRECISIONS = ("fp32", "int8-minmax")
WAITING = "waiting for another job on the device"
# Two engines, and two timed arms.
JOBS = {"build_engine_on_device": 2, "measure_latency_on_device": 2, "total": 4}


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[dict[str, FarSide]]:
    python, _ = far_python()
    sides = {name: FarSide.make(tmp_path / name, python) for name in (NORTH, SOUTH)}
    for side in sides.values():
        side.work.mkdir()
        side.start()
    yield sides
    for side in sides.values():
        if side.process is not None:
            side.stop_sessions()
            side.stop()


@pytest.fixture
def project(tiny: Project, tmp_path: Path) -> Project:
    """The tiny study's folder: all that the arms of a device are made of is there."""
    project = Project(tmp_path / "copy")
    shutil.copytree(tiny.folder, project.folder, symlinks=True)
    return project


def write_study(project: Project, devices: dict[str, FarSide]) -> str:
    targets = [
        {
            "name": name,
            "runtimes": ["onnxruntime"],
            **{key: getattr(side.device, key) for key in ("ssh", "ssh_config", "python", "workdir")},
            # A second: the test waits for it.
            "reconnect_minutes": 1 / 60,
        }
        for name, side in devices.items()
    ]
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    return project.write_study("devices", f"{text}\ntargets: {json.dumps(targets)}\n")


def timed(name: str) -> list[str]:
    return [
        f"results/tiny/arms/{name}/onnxruntime/espcn_rgb/{precision}/latency.csv" for precision in PRECISIONS
    ]


def waiting(project: Project, name: str) -> list[Path]:
    """The logs of jobs that wait at a device's lock."""
    logs = (project.folder / "results/tiny/logs").glob(f"*/{name}/**/*.log")
    return [log for log in logs if WAITING in log.read_text()]


def intervals(project: Project, name: str) -> list[tuple[float, float]]:
    """When each job of a device began and ended, by Snakemake's records."""
    found = []
    for record in (project.folder / ".snakemake/metadata").iterdir():
        output = base64.urlsafe_b64decode(record.name).decode()
        if f"/arms/{name}/" in output and output.endswith(("engine.bin", "latency.csv")):
            facts = json.loads(record.read_text())
            found.append((facts["starttime"], facts["endtime"]))
    return sorted(found)


def die(side: FarSide) -> None:
    """Lose a device: the listener first, so that nobody comes back."""
    sessions = side.stop_sessions(0)
    side.stop()
    for pid in sessions:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_devices_work_at_once_and_a_dead_one_stops_only_its_arms(
    project: Project, devices: dict[str, FarSide], tmp_path: Path
):
    study = write_study(project, devices)
    wanted = [*timed(NORTH), *timed(SOUTH)]
    # Another user's jobs: nothing can end, so that both devices have a job only if they are served at once.
    users = {name: take_lock(side.work / "lock") for name, side in devices.items()}
    said = tmp_path / "said.txt"
    run = project.start("--cores", "2", *wanted, f"--configfile={study}", said_to=said)

    def comes(condition: Callable[[], object], what: str) -> None:
        wait_until(lambda: condition() or run.poll() is not None, what)
        assert run.poll() is None, said.read_text()

    with closing(users[SOUTH] or -1):
        with closing(users[NORTH] or -1):
            comes(lambda: waiting(project, NORTH) and waiting(project, SOUTH), "a job of each device")
        # While the second device is busy, the first does all of its arms.
        comes(lambda: all((project.folder / path).exists() for path in timed(NORTH)), "the first device")
        assert len(waiting(project, SOUTH)) == 1
        die(devices[SOUTH])
        assert run.wait(120) != 0
    text = said.read_text()
    failed = text.rpartition("Failed jobs:\n")[2].strip().splitlines()
    assert len(failed) == 2 and all(f"target {SOUTH}: expected to reach it" in line for line in failed), text
    assert not any((project.folder / path).exists() for path in timed(SOUTH))

    devices[SOUTH].start()
    done = project.snakemake("--cores", "2", *wanted, f"--configfile={study}")
    assert done.returncode == 0, done.stdout[-5000:]
    assert read_jobs(done.stdout) == JOBS
    for name in devices:
        jobs = intervals(project, name)
        assert len(jobs) == JOBS["total"]
        assert all(before[1] <= after[0] for before, after in pairwise(jobs))
