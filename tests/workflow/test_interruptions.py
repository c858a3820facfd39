"""A killed run leaves nothing half-written under a final name, and the next call goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import polars as pl

from project_copy import Project

STUDY = ("--cores", "4", "--configfile=studies/tiny.yaml")
ENGINE = "results/tiny/arms/local/openvino/espcn_rgb/fp32/engine.json"
READER_LOG = "results/tiny/logs/measure_quality/local/openvino/espcn_rgb/fp32.log"


def wait_for(path: Path, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


def test_killed_run_goes_on_where_it_stopped(project: Project):
    run = project.start(*STUDY, "openvino")
    # Once a job that reads the engine begins, Snakemake has noted that the engine's own job is done.
    wait_for(project.folder / READER_LOG, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    engine = (project.folder / ENGINE).stat().st_mtime_ns
    for csv in project.folder.glob("results/tiny/arms/**/*.csv"):
        assert pl.read_csv(csv).height > 0, f"{csv} is half-written"

    done = project.snakemake(*STUDY, "openvino")
    assert done.returncode == 0, done.stdout[-4000:]
    assert (project.folder / ENGINE).stat().st_mtime_ns == engine
    assert len(list(project.folder.glob("results/tiny/arms/local/openvino/**/manifest.json"))) == 6
    assert not list(project.folder.glob("results/**/*.part*"))


def test_interrupted_run_leaves_no_partial_file(project: Project):
    run = project.start(*STUDY, "openvino")
    wait_for(project.folder / ENGINE, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(timeout=60) != 0
    assert not list(project.folder.glob("results/**/*.part*"))


def test_second_run_of_a_study_is_refused_while_the_first_goes_on(project: Project):
    run = project.start(*STUDY, "openvino")
    wait_for(project.folder / "results/tiny/frames/portrait.json", run)
    second = project.snakemake(*STUDY, "all")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert second.returncode != 0
    assert "study error: tiny is being run by another call" in second.stdout
    assert "Traceback" not in second.stdout
