"""A job as it travels: the worker as one file that runs alone, keys of jobs, remembered hashes."""

import ast
import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from superres.device.job import Job
from superres.targets.remote import parcel as parcels
from superres.targets.remote.parcel import Worker, hash_input, pack_job, pack_worker
from superres.targets.settings import Device

NO_NUMPY = "import sys; sys.modules['numpy'] = None; sys.path.insert(0, sys.argv[1]); "


def test_it_holds_the_device_part_alone_and_nothing_of_this_machine():
    worker = pack_worker()
    with zipfile.ZipFile(BytesIO(worker.content)) as archive:
        names = archive.namelist()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("superres/__init__.py") == b""
    assert names == sorted(names) and "superres/device/runtimes/trt/cuda.py" in names
    assert all(
        name == "__main__.py" or name.startswith(("superres/device/", "superres/__init__")) for name in names
    )
    pack_worker.cache_clear()
    assert pack_worker() == worker
    assert str(Path.home()).encode() not in worker.content


def test_it_runs_a_job_by_itself(tmp_path: Path):
    (tmp_path / "worker").write_bytes(pack_worker().content)
    job = {
        "task": "build_engine",
        "runtime": "opencv",
        "precision": "uint8",
        "threads": 1,
        "inputs": {},
        "outputs": {"engine": "engine.bin", "record": "engine.json"},
        "settings": {"options": {"frames": "uint8"}},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-I", str(tmp_path / "worker"), "work", "job.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "engine.json").read_text())["status"] == "ok"


def test_serving_and_watching_need_no_numpy(tmp_path: Path):
    (tmp_path / "worker").write_bytes(pack_worker().content)
    script = NO_NUMPY + "from superres.device.agent import serve, watch; print('fine')"
    command = [sys.executable, "-I", "-c", script, str(tmp_path / "worker")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


def test_what_runs_before_the_worker_is_there_can_be_read_by_any_python_3():
    from superres.targets.remote import ssh

    ast.parse(ssh._BOOT, feature_version=(3, 4))


def test_a_jobs_key_is_that_of_its_work_and_not_of_its_way(tmp_path: Path):
    for name in ("model.onnx", "photos.npy", "photos.json"):
        (tmp_path / name).write_text(name)
    inputs = {"model": str(tmp_path / "model.onnx"), "calibration": str(tmp_path / "photos.npy")}
    outputs = {"engine": str(tmp_path / "engine.bin"), "record": str(tmp_path / "engine.json")}
    job = Job("build_engine", "tensorrt", "int8-trt-entropy", 4, inputs, outputs)
    device = Device(name="jetson", ssh="user@jetson", power_mode=2)
    worker = Worker(b"", "ab" * 32)
    parcel = pack_job(job, device, worker, 6)
    # What is read beside an input travels with it; the threads are those of the device.
    assert list(parcel.files) == [
        "in/model/model.onnx",
        "in/calibration/photos.npy",
        "in/calibration/photos.json",
    ]
    assert parcel.job.threads == 6 and parcel.job.conditions == {"power_mode": 2}
    assert parcel.names[parcel.job.outputs["engine"]] == outputs["engine"]

    def key(job: Job = job, device: Device = device, worker: Worker = worker, cpus: int = 6) -> str:
        return pack_job(job, device, worker, cpus).key

    elsewhere = {name: path.replace("engine.", "other/engine.") for name, path in outputs.items()}
    assert key() == parcel.key
    assert (
        key(device=device.model_copy(update={"ssh": "b", "workdir": "c", "timeout_minutes": 1})) == parcel.key
    )
    assert key(job=replace(job, outputs=elsewhere)) == parcel.key
    others = [
        key(device=device.model_copy(update={"power_mode": 0})),
        key(device=device.model_copy(update={"python": "python3.10"})),
        key(worker=Worker(b"", "cd" * 32)),
        key(cpus=4),
        key(job=replace(job, precision="int8-trt-minmax")),
    ]
    (tmp_path / "photos.json").write_text("changed")
    assert len({parcel.key, key(), *others}) == 7


def test_a_hash_is_remembered_while_the_file_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUPERRES_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(parcels, "_REMEMBERED_FROM", 4)
    counted: list[Path] = []
    whole = parcels.sha256_file
    monkeypatch.setattr(parcels, "sha256_file", lambda path: (counted.append(path), whole(path))[1])
    path = tmp_path / "clip.hr.npy"
    path.write_bytes(b"frames")
    first = hash_input(path)
    assert hash_input(path) == first == (hashlib.sha256(b"frames").hexdigest(), 6) and len(counted) == 1
    path.write_bytes(b"change")
    assert hash_input(path) != first and len(counted) == 2
