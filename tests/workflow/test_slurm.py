"""A study on a real Slurm cluster of one node: the same figures; what Slurm ends is told and tried again."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from far_side import NEEDS_SSHD, FarSide, wait_until
from one_node import NEEDS_SLURM, PLUGIN, OneNode
from project_copy import Project, copy_project

pytestmark = NEEDS_SLURM

# Three arms of the tiny study.
RUNTIMES = [
    {"name": "openvino", "precisions": ["fp32", "int8-minmax"]},
    {"name": "opencv", "precisions": ["uint8"]},
]
ARMS = ("openvino/espcn_rgb/fp32", "openvino/espcn_rgb/int8-minmax", "opencv/bicubic/uint8")
TIMED = ("measure_latency", "measure_roofline")
# What ends too soon at first: one job by its memory, one by its time.
LIMITS = ("quantize_onnx:mem_mb=10*200**(attempt-1)", "prepare_clip:runtime=60**(attempt-1)")
PATHS = (str(PLUGIN), os.getenv("PYTHONPATH"))
# The longest wait for a whole run.
PATIENCE_S = 1800.0
PROFILE = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    node = OneNode(tmp_path_factory.mktemp("slurm"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("cluster"))
    study = yaml.safe_load((project.folder / "studies/tiny.yaml").read_text(encoding="utf-8"))
    study["models"] = [{"name": "espcn_rgb"}, {"name": "bicubic"}]
    study["runtimes"] = RUNTIMES
    project.write_study("three", yaml.safe_dump(study, sort_keys=False))
    return project


class Run:
    """A call of Snakemake on the cluster, and what it has said so far."""

    def __init__(self, project: Project, *arguments: str):
        self.said_to = project.folder / "said.txt"
        command = project.command([*PROFILE, "--configfile=studies/three.yaml", *arguments])
        with self.said_to.open("wb") as said:
            self.process = subprocess.Popen(
                command,
                cwd=project.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, PATHS))},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.said_to.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self) -> int:
        return self.process.wait(PATIENCE_S)

    def lines(self, begin: str) -> list[str]:
        return [line for line in self.said.splitlines() if line.startswith(begin)]


def running(cluster: OneNode, rule: str) -> str | None:
    """Return the id of the running job of a rule."""
    ids = [job["id"] for job in cluster.jobs() if job["state"] == "RUNNING" and f"rule_{rule}" in job["rule"]]
    return ids[0] if ids else None


def freeze(job: str) -> None:
    """Stop the processes of a job, so that only Slurm's limit of time can end it."""
    stopped: set[str] = set()

    def stop_the_others() -> bool:
        others = processes(job) - stopped
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGSTOP)
        stopped.update(others)
        # One that forked just before it was stopped has a child that goes on.
        return bool(stopped) and not others

    wait_until(stop_the_others, "processes of a job", PATIENCE_S)


def processes(job: str) -> set[str]:
    """Return the ids of the processes of a job of Slurm's."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            if f"SLURM_JOB_ID={job}".encode() in environment:
                found.add(entry.name)
    return found


@pytest.fixture(scope="module")
def run(cluster: OneNode, project: Project) -> Run:
    """The study on the cluster, through a drained node, a cancelled job, and jobs over their limits."""
    cluster.set_node("drain")
    # Table 1 stands for `all`, which also draws.
    with Run(project, "results/tiny/table1.md", "--set-resources", *LIMITS) as run:
        wait_until(lambda: run.lines("slurm: "), "a line about jobs that wait", PATIENCE_S)
        waiting = next(job["id"] for job in cluster.jobs() if "prepare_calibration_set" in job["rule"])
        cluster.run("scancel", waiting)
        cluster.set_node("resume")
        wait_until(lambda: running(cluster, "prepare_clip"), "a job", PATIENCE_S)
        freeze(str(running(cluster, "prepare_clip")))
        assert run.end() == 0, run.said[-6000:]
    return run


def test_figures_are_those_of_a_local_run(run: Run, project: Project, tiny: Project):
    for arm in ARMS:
        path = f"results/tiny/arms/local/{arm}/quality.csv"
        assert (project.folder / path).read_bytes() == (tiny.folder / path).read_bytes()
    assert (project.folder / "results/tiny/table1.md").is_file()


def test_what_slurm_ended_is_said_in_a_line_and_tried_again(run: Run, cluster: OneNode):
    lines = run.lines("slurm: ")
    expected = [
        r"\d+ jobs wait: Slurm says '.*(DOWN|DRAIN|NotAvail).*'; see: sinfo --list-reasons",
        r"prepare_calibration_set \(results/.*\): Slurm's job \d+ was cancelled.*",
        r"prepare_clip \(results/.*\): Slurm's job \d+ was over its time",
        r"quantize_onnx \(results/.*\): Slurm's job \d+ was over its memory",
    ]
    for pattern in expected:
        assert len([line for line in lines if re.fullmatch(f"slurm: {pattern}", line)]) == 1, lines
    assert len(lines) == len(expected)
    for rule in ("prepare_calibration_set", "prepare_clip", "quantize_onnx"):
        ends = [job["state"] for job in cluster.jobs() if job["rule"].startswith(f"rule_{rule}_wildcards")]
        assert len(ends) == 2 and ends[0] != "COMPLETED" and ends[1] == "COMPLETED", (rule, ends)


def test_a_timed_job_has_the_node_for_itself(run: Run, cluster: OneNode):
    jobs = [job for job in cluster.jobs() if job["state"] == "COMPLETED"]
    timed = [job for job in jobs if any(f"rule_{rule}" in job["rule"] for rule in TIMED)]
    # The machine's limits too.
    assert len(timed) == len(ARMS) + 1
    for job in timed:
        assert int(job["cpus"]) == len(os.sched_getaffinity(0))
        others = [other for other in jobs if other is not job]
        assert all(other["end"] <= job["start"] or other["start"] >= job["end"] for other in others)


def test_small_jobs_share_one(run: Run, cluster: OneNode):
    jobs = [job["rule"] for job in cluster.jobs() if job["state"] == "COMPLETED"]
    for group in ("graphs", "ranges", "arm", "manifests", "tables"):
        assert any(job.startswith(f"rule_{group}_") for job in jobs), jobs
    # 24 jobs of Snakemake.
    assert len(jobs) <= 16


def test_a_job_that_is_lost_twice_ends_the_run_with_one_line(run: Run, project: Project):
    onnx = "results/tiny/onnx/espcn_rgb/int8-minmax.onnx"
    with Run(project, onnx, "--force", "--set-resources", "quantize_onnx:mem_mb=10") as again:
        assert again.end() == 1
    assert len(again.lines("slurm: quantize_onnx")) == 2
    assert re.search(
        r"\nFailed jobs:\n  quantize_onnx model=espcn_rgb quantization=minmax: "
        r"Slurm's job \d+ was over its memory( \(log: .*\))?\n$",
        again.said,
    )


@NEEDS_SSHD
def test_jobs_of_a_device_stay_on_the_submitting_host(cluster: OneNode, project: Project, tmp_path: Path):
    side = FarSide.make(tmp_path / "far")
    study = yaml.safe_load((project.folder / "studies/three.yaml").read_text(encoding="utf-8"))
    keys = ("name", "ssh", "ssh_config", "python", "workdir")
    study["targets"] = [{"runtimes": ["opencv"], **{key: getattr(side.device, key) for key in keys}}]
    study["runtimes"] = [{"name": "opencv", "precisions": ["uint8"]}]
    study["models"] = [{"name": "bicubic"}]
    written = project.write_study("far", yaml.safe_dump(study, sort_keys=False))
    quality = "results/tiny/arms/far/opencv/bicubic/uint8/quality.csv"
    side.work.mkdir()
    side.start()
    try:
        with Run(project, quality, f"--configfile={written}") as run:
            assert run.end() == 0, run.said[-6000:]
    finally:
        side.stop()
    assert (project.folder / quality).is_file()
    assert not [job["rule"] for job in cluster.jobs() if "on_device" in job["rule"]]
