"""Faults between here and a device, on a real sshd: the right result, and no leftovers."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from far_side import NEEDS_SSHD, FarSide, wait_until
from superres.device.base.errors import UserError

from ..quick import SECONDS, agents, check_outputs, has_begun, make_job, run, said, start, workers

pytestmark = NEEDS_SSHD


def test_a_killed_client_comes_back_to_the_same_job(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "first")
    wait_until(lambda: has_begun(far))
    (worker,) = workers(far)
    client.kill()
    client.wait()
    again = start(job, far.device, tmp_path / "second")
    wait_until(lambda: said(tmp_path / "second", "begun"))
    gate.touch()
    assert again.wait(SECONDS) == 0
    assert check_outputs(job) == worker
    assert not said(tmp_path / "second", "sending")


def test_an_interrupted_client_stops_its_job(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log")
    wait_until(lambda: said(tmp_path / "log", "begun"))
    client.send_signal(signal.SIGTERM)
    assert client.wait(SECONDS) == 143
    wait_until(lambda: not far.processes())
    assert far.jobs() == []


def test_an_sshd_that_is_away_for_a_while(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log")
    wait_until(lambda: has_begun(far))
    (worker,) = workers(far)
    far.stop_sessions()
    far.stop()
    wait_until(lambda: said(tmp_path / "log", "trying again", 2))
    far.start()
    gate.touch()
    assert client.wait(SECONDS) == 0
    assert check_outputs(job) == worker
    # What the worker had said before is not said twice.
    assert (tmp_path / "log").read_text().count("begun") == 1


def test_a_frozen_connection_is_given_up(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log", silence_s=6.0)
    wait_until(lambda: said(tmp_path / "log", "begun"))
    (worker,) = workers(far)
    frozen = far.stop_sessions(signal.SIGSTOP)
    wait_until(lambda: said(tmp_path / "log", "nothing was heard for 6 s"))
    gate.touch()
    assert client.wait(SECONDS) == 0
    assert check_outputs(job) == worker
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)


def test_a_killed_agent_takes_its_worker_along_and_the_job_begins_again(
    far: FarSide, tmp_path: Path, gate: Path
):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log")
    wait_until(lambda: has_begun(far))
    (worker,), (agent,) = workers(far), agents(far)
    assert [(folder / "agent.pid").read_text() for folder in far.jobs()] == [str(agent)]
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: said(tmp_path / "log", "begun", 2))
    assert worker not in workers(far)
    gate.touch()
    assert client.wait(SECONDS) == 0
    assert check_outputs(job) not in (0, worker)


def test_a_killed_worker_fails_its_job_at_once(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    client = start(job, far.device, tmp_path / "log")
    wait_until(lambda: has_begun(far))
    os.kill(workers(far)[0], signal.SIGKILL)
    assert client.wait(SECONDS) == 1
    assert said(tmp_path / "log", "the worker ended with signal SIGKILL")
    assert not Path(job.outputs["engine"]).exists()
    assert far.jobs() == []


def test_a_job_that_takes_too_long_is_stopped(far: FarSide, tmp_path: Path, gate: Path):
    device = far.with_device(timeout_minutes=0.01)
    with pytest.raises(
        UserError, match=r"expected it to take at most 0.01 minutes, stopped.*timeout_minutes$"
    ):
        run(make_job(tmp_path, gate=str(gate)), far, device)


def test_two_runs_of_one_job_share_it(far: FarSide, tmp_path: Path, gate: Path):
    job = make_job(tmp_path, gate=str(gate))
    other = replace(
        job, outputs={k: path.replace("engine.", "other/engine.") for k, path in job.outputs.items()}
    )
    clients = [start(j, far.device, tmp_path / f"log{i}") for i, j in enumerate((job, other))]
    wait_until(lambda: all(said(tmp_path / f"log{i}", "begun") for i in (0, 1)))
    assert len(workers(far)) == 1
    gate.touch()
    assert [client.wait(SECONDS) for client in clients] == [0, 0]
    assert check_outputs(job) == check_outputs(other)
    assert far.jobs() == []


def test_one_job_at_a_time(far: FarSide, tmp_path: Path, gate: Path):
    (tmp_path / "other").mkdir()
    jobs = [make_job(folder, gate=str(gate)) for folder in (tmp_path, tmp_path / "other")]
    first = start(jobs[0], far.device, tmp_path / "first")
    wait_until(lambda: said(tmp_path / "first", "begun"))
    second = start(jobs[1], far.device, tmp_path / "second")
    wait_until(lambda: said(tmp_path / "second", "waiting for another job on the device"))
    assert len(workers(far)) == 1 and not said(tmp_path / "second", "sending")
    gate.touch()
    assert (first.wait(SECONDS), second.wait(SECONDS)) == (0, 0)
    assert check_outputs(jobs[0]) != check_outputs(jobs[1])


def test_many_jobs_at_once_never_see_each_others_folders(far: FarSide, tmp_path: Path):
    """Folders come and go all the time while others look through them."""
    jobs = []
    for i in range(6):
        (tmp_path / str(i)).mkdir()
        jobs.append(make_job(tmp_path / str(i), number=i))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda job: run(job, far), jobs))
    assert len({check_outputs(job) for job in jobs}) == 6
    assert far.jobs() == []


def test_an_upload_that_is_cut_goes_on_where_it_was(far: FarSide, tmp_path: Path):
    job = make_job(tmp_path, size=8_000_000)
    lines = run(job, far, far.through_proxy(cut=5_000_000))
    assert check_outputs(job) > 0
    before, _, after = lines.partition("trying again")
    assert "(8.0 MB)" in before
    assert "sending" in after and "(8.0 MB)" not in after
    # From the beginning again it would be 13 MB.
    assert far.carried()[0] < 11_000_000
