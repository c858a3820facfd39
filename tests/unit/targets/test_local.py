"""This machine as a target: results and errors of the worker, which never outlives its parent."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from far_side import PATIENCE_S, wait_until
from superres.device.base.errors import UserError
from superres.device.job import Job
from superres.targets import local

LABEL = "local/opencv/bicubic/uint8"
OPTIONS = {"options": {"frames": "uint8"}}


def build_job(folder: Path, **changes) -> Job:
    outputs = {"engine": str(folder / "engine.bin"), "record": str(folder / "engine.json")}
    values = {"task": "build_engine", "runtime": "opencv", "precision": "uint8", "threads": 1, "inputs": {}}
    values |= {"outputs": outputs, "settings": OPTIONS, "label": LABEL}
    return Job(**(values | changes))


def latency_job(folder: Path, seconds: float) -> Job:
    """Times the bicubic baseline for so many seconds."""
    local.run_here(build_job(folder))
    np.save(folder / "c.x2.npy", np.zeros((2, 8, 8, 3), np.uint8))
    index = {"name": "c", "names": ["a", "b"], "hr_shapes": [[16, 16]] * 2}
    (folder / "c.json").write_text(json.dumps(index))
    files = {"engine": "engine.bin", "engine_record": "engine.json", "lr": "c.x2.npy", "clip": "c.json"}
    settings = {"warmup_seconds": 0, "min_seconds": seconds, "min_iterations": 5, "max_seconds": seconds}
    settings |= {"warmup_frames": 1, "warmup_tolerance": 1.0, "block_seconds": 0, **OPTIONS}
    settings |= {"rounds": 6}
    return build_job(
        folder,
        task="measure_latency",
        inputs={name: str(folder / file) for name, file in files.items()},
        outputs={"latency": str(folder / "latency.csv"), "record": str(folder / "latency.json")},
        settings=settings,
    )


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_runs_and_its_lines_are_relayed(tmp_path):
    lines: list[str] = []
    local.run_here(latency_job(tmp_path, 0), lines.append)
    assert json.loads((tmp_path / "latency.json").read_text())["status"] == "ok"
    assert lines[-1].startswith(f"measure_latency {LABEL}: 5/5, ")
    assert all(line.endswith("\n") for line in lines)


def test_a_users_mistake_comes_back_as_one(tmp_path):
    lines: list[str] = []
    with pytest.raises(UserError, match=r"^runtime: expected one of .* found 'none'$"):
        local.run_here(build_job(tmp_path, runtime="none"), lines.append)
    assert lines == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_breaks_is_named(tmp_path, monkeypatch, capfd):
    job = build_job(tmp_path)
    (tmp_path / "engine.bin").mkdir()
    with pytest.raises(RuntimeError, match=f"^build_engine {LABEL}: the worker ended with exit code 1$"):
        local.run_here(job)
    assert "Traceback" in capfd.readouterr().err
    assert not list(tmp_path.glob("*.part"))
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nkill -KILL $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(RuntimeError, match=r"the worker ended with signal SIGKILL$"):
        local.run_here(job)


def test_the_worker_has_the_jobs_threads_and_finds_the_package(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    environment = local._environment(7)
    assert {environment[name] for name in local._THREAD_VARIABLES} == {"7"}
    assert (Path(environment["PYTHONPATH"].split(os.pathsep)[0]) / "superres/targets/local.py").is_file()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_worker_ends_with_its_parent(number, tmp_path):
    job = latency_job(tmp_path, 600)
    script = (
        "import sys\nfrom superres.device.job import Job\nfrom superres.targets.local import run_here\n"
        "run_here(Job.from_json(sys.stdin.read()))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdin is not None
        assert parent.stderr is not None
        parent.stdin.write(job.to_json())
        parent.stdin.close()
        # Its first progress line says that the worker is at work.
        assert parent.stderr.readline().startswith("measure_latency")
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 1
        assert is_running(int(children[0]))
        parent.send_signal(number)
        assert parent.wait(PATIENCE_S) != 0
        wait_until(lambda: not is_running(int(children[0])))
    assert not list(tmp_path.glob("*.part"))
    assert not (tmp_path / "latency.csv").exists()


def test_a_full_disk_is_one_line(tmp_path):
    """No file may get larger than its job: the engine fits, its record doesn't."""
    job = build_job(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(
            UserError,
            match=r"^outputs in .*: expected room for them on the disk, found none \(file too large\)",
        ):
            local.run_here(job, lambda line: None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_job_of_this_machine_imports_nothing_that_only_a_study_or_a_device_needs():
    """A script is a process of its own, three for each arm: what it imports is most of its time."""
    program = "import sys, superres.scripting, superres.targets.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"pydantic", "numpy", "requests", "superres.targets.settings", "superres.targets.remote.errand"}
    assert heavy & set(done.stdout.split()) == set()
