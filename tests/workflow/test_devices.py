"""Arms of the tiny study on a device, a real sshd on this machine, give the same figures to the byte."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator

import polars as pl
import pytest

from far_side import NEEDS_SSHD, FarSide, far_python, wait_until
from project_copy import Project, read_jobs

pytestmark = NEEDS_SSHD

MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_anchor")
PRECISIONS = ("fp32", "int8-minmax")


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarSide]:
    python, why = far_python()
    print(f"the device's Python is {why}")
    side = FarSide.make(tmp_path_factory.mktemp("far"), python)
    side.start()
    yield side
    side.stop_sessions()
    side.stop()


def write_study(project: Project, far: FarSide, **changes: object) -> str:
    """The tiny study, with the arms of onnxruntime on the device as well."""
    settings = {
        "name": "far",
        "runtimes": ["onnxruntime"],
        "ssh": far.device.ssh,
        "ssh_config": far.device.ssh_config,
        "python": far.device.python,
        "workdir": far.device.workdir,
        **changes,
    }
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    return project.write_study("far", f"{text}\ntargets: [local, {json.dumps(settings)}]\n")


@pytest.fixture(scope="module")
def run(tiny: Project, tmp_path_factory: pytest.TempPathFactory, far: FarSide) -> Project:
    """The tiny study's folder, in which arms have been run on the device too."""
    project = Project(tmp_path_factory.mktemp("devices") / "copy")
    shutil.copytree(tiny.folder, project.folder, symlinks=True)
    study = write_study(project, far)
    files = [f"{arm}/quality.csv" for arm in arms("far")] + [
        f"{arm}/manifest.json" for arm in arms("far")[:2]
    ]
    done = project.snakemake("--cores", "4", f"--configfile={study}", *files)
    assert done.returncode == 0, done.stdout[-6000:]
    assert read_jobs(done.stdout) == {
        "build_engine_on_device": 6,
        "measure_quality_on_device": 6,
        "measure_latency_on_device": 2,
        "write_manifest": 2,
        "total": 16,
    }
    return project


def arms(target: str) -> list[str]:
    return [
        f"results/tiny/arms/{target}/onnxruntime/{model}/{precision}"
        for model in MODELS
        for precision in PRECISIONS
    ]


def test_figures_of_a_device_are_those_of_this_machine(run: Project):
    for here, there in zip(arms("local"), arms("far"), strict=True):
        records = [json.loads((run.folder / arm / "quality.json").read_text()) for arm in (here, there)]
        figures = [(run.folder / arm / "quality.csv").read_bytes() for arm in (here, there)]
        assert figures[0].count(b"\n") == 2
        if records[0]["versions"] == records[1]["versions"]:
            assert figures[0] == figures[1]
        elif records[1]["status"] == "ok":
            # Another onnxruntime rounds a few of 300,000 pixels otherwise.
            values = [pl.read_csv(figure)["psnr_db"][0] for figure in figures]
            assert abs(values[0] - values[1]) < 2e-3
        else:
            # 1.19, the last one for Python 3.8, has neither a cubic Resize nor INT8 convolutions between
            # uint8 frames.
            assert "fp32" not in there or "espcn_ycbcr" in there
            assert records[1]["status"].startswith("not run: onnxruntime 1.")


def test_records_say_where_an_arm_ran_and_with_which_worker(run: Project, far: FarSide):
    folder = run.folder / arms("far")[0]
    records = [json.loads((folder / f"{task}.json").read_text()) for task in ("engine", "quality", "latency")]
    worker = {record["worker_sha256"] for record in records}
    assert len(worker) == 1
    assert (far.work / "store" / worker.pop()).is_file()
    assert {record["threads"] for record in records} == {len(os.sched_getaffinity(0))}
    manifest = (folder / "manifest.json").read_text()
    assert json.loads(manifest)["target"] == "far"
    assert str(run.folder) not in manifest and str(far.work) not in manifest


def test_nothing_is_left_on_the_device_but_the_store(run: Project, far: FarSide):
    wait_until(lambda: not far.processes())
    assert far.jobs() == [] and far.parts() == []


def test_another_address_reruns_nothing_and_another_power_mode_everything(run: Project, far: FarSide):
    wanted = [f"{arm}/quality.csv" for arm in arms("far")]
    study = write_study(run, far, ssh="somebody@elsewhere")
    assert read_jobs(run.snakemake("-n", f"--configfile={study}", *wanted).stdout) == {}
    study = write_study(run, far, power_mode=2)
    jobs = read_jobs(run.snakemake("-n", f"--configfile={study}", *wanted).stdout)
    assert jobs["measure_quality_on_device"] == jobs["build_engine_on_device"] == 6
    assert "prepare_clip" not in jobs


def test_a_killed_snakemake_comes_back_to_the_job_at_work(run: Project, far: FarSide):
    study = write_study(run, far)
    path = run.folder / study
    text = path.read_text()
    # Long enough for the run to be killed before its job is done, even if this test waits for a processor.
    limits = "warmup_seconds: 0, min_seconds: 10, min_iterations: 5, max_seconds: 10, rounds: 6"
    slow = f"latency: {{{limits}}}\n"
    path.write_text(text.replace(text[text.index("latency:") : text.index("targets:")], slow))
    wanted = f"{arms('far')[4]}/latency.csv"
    first = run.start("--cores", "1", f"--configfile={study}", wanted)
    agent = Agents(far)
    wait_until(agent.seen, "a job on the device")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (run.folder / wanted).exists()
    second = run.start("--cores", "1", f"--configfile={study}", wanted)
    while second.poll() is None:
        agent.seen()
        time.sleep(0.02)
    assert second.returncode == 0
    assert pl.read_csv(run.folder / wanted).height >= 5
    # One agent has done all of it.
    assert len(agent.pids) == 1
    wait_until(lambda: not far.processes())
    assert far.jobs() == [] and far.parts() == [] and not list(run.folder.rglob("results/**/*.part"))


class Agents:
    """Every agent that has been seen on a device."""

    def __init__(self, far: FarSide):
        self.pids: set[str] = set()
        self._far = far

    def seen(self) -> bool:
        for job in self._far.jobs():
            try:
                self.pids.add((job / "agent.pid").read_text())
            except FileNotFoundError:
                continue
        return bool(self.pids)


def test_a_device_is_checked_and_cleaned(run: Project, far: FarSide):
    study = write_study(run, far)
    done = run.snakemake("check_device", f"--configfile={study}", "--config", "target=far")
    assert done.returncode == 0, done.stdout
    assert f"far ({far.device.ssh})" in done.stdout and f"for {far.work}" in done.stdout
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "fp32 yes" in lines and "int8-minmax yes" in lines
    study = write_study(run, far, power_mode=2)
    done = run.snakemake("check_device", f"--configfile={study}", "--config", "target=far")
    assert done.returncode != 0 and "run `sudo nvpmodel -m 2` on the device" in done.stdout
    assert "Traceback" not in done.stdout
    done = run.snakemake("clean_device", f"--configfile={study}", "--config", "target=far")
    assert done.returncode == 0 and "far: removed 0 jobs and" in done.stdout
    assert [path.name for path in far.work.rglob("*") if path.is_file()] == ["lock"]
