"""Arms of the tiny study on a device, which is a real sshd on this machine: the same figures, byte for byte."""

import json
import os
from collections.abc import Iterator

import polars as pl
import pytest

from far_side import NEEDS_SSHD, FarSide, far_python, wait_until
from project_copy import Project, copy_project, read_jobs

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


def write_study(project: Project, far: FarSide, targets: str = "[local, {device}]", **changes: object) -> str:
    """The tiny study with onnxruntime alone, here and on the device."""
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    runtimes = text[text.index("runtimes:") : text.index("latency:")]
    text = text.replace(
        runtimes, "runtimes:\n  - {name: onnxruntime, precisions: [fp32, int8-minmax]}\nsamples: {runtime: onnxruntime}\n\n"
    ).replace("  - name: bicubic\n", "")
    settings = {
        "name": "far",
        "ssh": far.device.ssh,
        "ssh_config": far.device.ssh_config,
        "python": far.device.python,
        "workdir": far.device.workdir,
        **changes,
    }
    return project.write_study("far", f"{text}\ntargets: {targets.format(device=json.dumps(settings))}\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, far: FarSide) -> Project:
    """A copy in which the study has been run on both targets."""
    project = copy_project(tmp_path_factory.mktemp("devices"))
    study = write_study(project, far)
    files = [f"{arm}/quality.csv" for arm in arms("local")] + [f"{arm}/quality.csv" for arm in arms("far")]
    files += [f"{arm}/manifest.json" for arm in arms("far")[:2]]
    done = project.snakemake("--cores", "4", f"--configfile={study}", *files)
    assert done.returncode == 0, done.stdout[-6000:]
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
        assert figures[0].count(b"\n") == 2, "a header and a frame"
        if records[0]["versions"] == records[1]["versions"]:
            assert figures[0] == figures[1]
        elif records[1]["status"] == "ok":
            # Another onnxruntime rounds a few of 300,000 pixels otherwise.
            values = [pl.read_csv(figure)["psnr_db"][0] for figure in figures]
            assert abs(values[0] - values[1]) < 2e-3
        else:
            assert "espcn_ycbcr" in there and "can't run this graph" in records[1]["status"]


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
    assert jobs["measure_quality"] == jobs["build_engine"] == 6
    assert "prepare_clip" not in jobs
