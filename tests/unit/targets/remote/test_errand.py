"""Jobs on a device, on a real sshd: what travels, what is refused and in which words, and what it costs."""

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from far_side import NEEDS_SSHD, FarSide, make_key, wait_until
from superres.device.base.errors import UserError
from superres.targets.remote import errand as remote
from superres.targets.remote import parcel
from superres.targets.remote.parcel import hash_input
from superres.targets.remote.ssh import Patience
from superres.targets.settings import Device

from ..quick import QUICK, SECONDS, check_outputs, has_begun, make_job, repack, run, start

pytestmark = NEEDS_SSHD


def test_a_job_runs_and_its_inputs_travel_once(far: FarSide, tmp_path: Path):
    job = make_job(tmp_path, size=100_000)
    first = run(job, far)
    assert check_outputs(job) > 0 and "begun\n" in first and "sending" in first
    assert far.jobs() == []
    # A result is handed over once: asked for again, the job is done again, with what is there.
    second = run(job, far)
    assert "begun\n" in second and "sending" not in second
    # What a build made is there already for the jobs that read it.
    engine = make_job(tmp_path / "..", **{})
    reading = replace(
        engine, inputs={"model": job.outputs["engine"]}, outputs={k: v + "2" for k, v in job.outputs.items()}
    )
    assert "sending" not in run(reading, far)


def test_a_users_mistake_and_a_broken_worker_come_back_as_here(far: FarSide, tmp_path: Path):
    job = make_job(tmp_path, error="expected another")
    with pytest.raises(UserError, match=rf"^target far: {job.inputs['model']}: expected another$"):
        run(job, far)
    with pytest.raises(
        RuntimeError, match=r"^build_engine far/probe/m/fp32: the worker ended with exit code 3$"
    ):
        run(make_job(tmp_path, exit=3), far)
    assert far.jobs() == []
    assert not Path(job.outputs["engine"]).exists() and not list(tmp_path.glob("*.part"))


def test_an_unknown_host_key_is_refused(far: FarSide, tmp_path: Path):
    make_key(tmp_path / "other")
    known = (far.folder / "known_hosts").read_text()
    wrong = known.split()[0] + " " + " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (tmp_path / "known_hosts").write_text(wrong + "\n")
    config = (
        (far.folder / "ssh_config")
        .read_text()
        .replace(f"{far.folder}/known_hosts", str(tmp_path / "known_hosts"))
    )
    (tmp_path / "ssh_config").write_text(config)
    device = far.with_device(ssh_config=str(tmp_path / "ssh_config"))
    with pytest.raises(
        UserError, match=r"^target far: ssh far: .*[Hh]ost key.*ssh-keygen -R|connect once by hand"
    ):
        run(make_job(tmp_path), far, device)
    assert not far.work.exists()


def test_a_device_that_is_not_there(far: FarSide, tmp_path: Path):
    config = (far.folder / "ssh_config").read_text().replace("  Port ", "  Port 1\n  #")
    (tmp_path / "ssh_config").write_text(config)
    with pytest.raises(
        UserError, match=r"expected to reach it, tried for 2 s: .*refused.*check that `ssh far` works"
    ):
        run(make_job(tmp_path), far, far.with_device(ssh_config=str(tmp_path / "ssh_config")))


def test_patience_with_a_device_is_its_own():
    device = Device(name="far", ssh="far")
    assert Patience.with_device(device) == Patience()
    short = Patience.with_device(device.model_copy(update={"reconnect_minutes": 0.1}))
    assert short == Patience(first_s=6.0, reconnect_s=6.0)
    # One that never answered is given up as soon as ever.
    assert Patience.with_device(device.model_copy(update={"reconnect_minutes": 60.0})).first_s == 15.0


def test_an_input_that_changes_while_it_is_sent(
    far: FarSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(parcel, "hash_input", lambda path: ("0" * 64, path.stat().st_size))
    with pytest.raises(UserError, match="arrived as something else: it was changed while it was sent"):
        run(make_job(tmp_path), far)
    assert far.jobs() == [] and far.parts() == []


def test_a_side_that_breaks_down_over_and_over_is_given_up(
    far: FarSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = "\ndef fail(*_):\n    raise ZeroDivisionError('no store')\nStore.__init__ = fail\n"
    monkeypatch.setattr(
        remote, "pack_worker", lambda: repack("superres/device/agent/store.py", lambda text: text + broken)
    )
    patience = replace(QUICK, most_tries=2)
    with pytest.raises(UserError, match=r"tried 2 times: .*: ZeroDivisionError: no store; check"):
        remote.run_on_device(make_job(tmp_path), far.device, print, patience)
    assert far.jobs() == []


def test_no_python_there(far: FarSide, tmp_path: Path):
    with pytest.raises(UserError, match=r"expected a Python on the device, found none at /nowhere/python3"):
        run(make_job(tmp_path), far, far.with_device(python="/nowhere/python3"))


def test_a_full_disk(far: FarSide, tmp_path: Path):
    """A quota on files simulates a disk that fills during a transfer; a small disk is full before."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    far.work.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(far.work)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(UserError, match=r"no space left: expected 11.0 MB free, found .* clean_device"):
            run(make_job(tmp_path, size=10_000_000), far)
        (tmp_path / "model.onnx").unlink()
        # It fits, but what is made of it doesn't.
        job = make_job(tmp_path, size=1_500_000, times=3)
        with pytest.raises(RuntimeError, match="ended with exit code 1"):
            run(job, far)
        assert not Path(job.outputs["engine"]).exists()
        small = replace(job, settings={"options": {}})
        run(small, far)
        assert check_outputs(small) > 0
    finally:
        wait_until(lambda: not far.processes())
        subprocess.run(["umount", str(far.work)], check=True)


def test_a_store_that_is_too_small(far: FarSide, tmp_path: Path):
    device = far.with_device(store_limit_gb=0.002)
    with pytest.raises(UserError, match=r"in a store of 2.0 MB; raise the target's store_limit_gb$"):
        run(make_job(tmp_path, size=3_000_000), far, device)
    names = []
    for size in (900_000, 700_000, 600_000):
        (tmp_path / "model.onnx").unlink()
        job = make_job(tmp_path, size=size)
        run(job, far, device)
        names.append(hash_input(Path(job.inputs["model"]))[0])
        time.sleep(0.02)
    # What was used longest ago has made room.
    there = {path.name for path in (far.work / "store").iterdir()}
    assert names[0] not in there and names[2] in there


def test_cleaning_leaves_nothing_and_waits_for_no_job(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log")
    wait_until(lambda: has_begun(far))
    with pytest.raises(UserError, match="expected no job at work, found one"):
        remote.ask(far.device, "clean", QUICK)
    gate.touch()
    assert client.wait(SECONDS) == 0
    assert remote.ask(far.device, "clean", QUICK)["bytes"] > 1000
    assert [path.name for path in far.work.rglob("*") if path.is_file()] == ["lock"]


def test_what_a_job_costs_beyond_its_work(far: FarSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Bytes, connections and pauses; seconds are for benchmarks/device_overhead.py."""
    pauses: list[float] = []
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append))
    device = far.through_proxy()
    job = make_job(tmp_path, size=5_000_000)
    run(job, far, device)
    assert far.connections() == 1 and pauses == []
    up, down = far.carried()
    made = sum(Path(path).stat().st_size for path in job.outputs.values())
    travels = 5_000_000 + len(remote.pack_worker().content)
    print(f"sent {up / travels:.4f}, received {down / made:.4f} of what has to travel")
    assert up < 1.05 * travels and down < 1.05 * made
    # What is there already costs no connection either: one asks, runs and brings back.
    run(job, far, device)
    assert far.connections() == 1 and pauses == []
    assert far.carried()[0] < 100_000
