"""A killed run leaves nothing half-written under a final name, and the next call goes on."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from project_copy import Project

# Two arms of the tiny study.
SHORT = """
study: short
models: [{name: espcn_rgb}]
runtimes: [{name: openvino, precisions: [fp32, int8-minmax]}]
"""
# Ends waiting for what never comes: a test goes on as soon as it is there, on a slow machine minutes later.
SECONDS = 600.0
RESULTS = "results/short"
ENGINE = f"{RESULTS}/arms/local/openvino/espcn_rgb/fp32/engine.json"
READER_LOG = f"{RESULTS}/logs/measure_quality/local/openvino/espcn_rgb/fp32.log"


def short_study(project: Project) -> tuple[str, ...]:
    return "--cores", "4", "--configfile", "studies/tiny.yaml", project.write_study("short", SHORT)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + SECONDS
    while not path.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.005)


def test_killed_run_goes_on_where_it_stopped(project: Project):
    study = short_study(project)
    run = project.start("openvino", *study)
    # Once a job that reads the engine begins, Snakemake has noted that the engine's own job is done.
    wait_for(project.folder / READER_LOG, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    engine = (project.folder / ENGINE).stat().st_mtime_ns
    for csv in project.folder.glob("results/short/arms/**/*.csv"):
        assert pl.read_csv(csv).height > 0, f"{csv} is half-written"

    done = project.snakemake("openvino", *study)
    assert done.returncode == 0, done.stdout[-4000:]
    assert (project.folder / ENGINE).stat().st_mtime_ns == engine
    assert len(list(project.folder.glob("results/short/arms/local/openvino/**/manifest.json"))) == 2
    assert not list(project.folder.glob("results/**/*.part*"))


def test_interrupted_run_leaves_no_partial_file(project: Project):
    said = project.folder / "said.txt"
    run = project.start("openvino", *short_study(project), said_to=said)
    wait_for(project.folder / ENGINE, run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(timeout=SECONDS) != 0
    text = said.read_text(encoding="utf-8")
    assert "; stopped: the same call goes on from here" in text and "failed" not in text
    # Snakemake may end before its jobs, which clean up.
    end = time.monotonic() + SECONDS
    while left := list(project.folder.glob("results/**/*.part*")):
        assert time.monotonic() < end, f"{left} stayed"
        time.sleep(0.05)


def test_second_run_of_a_study_is_refused_while_the_first_goes_on(project: Project):
    study = short_study(project)
    run = project.start("openvino", *study)
    wait_for(project.folder / f"{RESULTS}/frames/portrait.json", run)
    # It stands still, so that it is still there however long the second call takes.
    os.killpg(run.pid, signal.SIGSTOP)
    second = project.snakemake("all", *study)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert second.returncode != 0
    assert "study error: short is being run by another call" in second.stdout
    assert "Traceback" not in second.stdout


TRAINING = """
study: {name}
clips: [{{name: clip, source: {{type: images, path: photos, include: [c.png]}}}}]
training_sets:
  - {{name: training, sources: [{{type: images, path: photos, include: [a.png]}}]}}
  - {{name: validation, sources: [{{type: images, path: photos, include: [b.png]}}]}}
models: [{{name: espcn_ycbcr, weights: train}}, {{name: bicubic}}]
training: {{steps: 300, batch: 2, patches: [8, 12], l1_steps: 100, warmup_steps: 10, checkpoint_every: 50}}
"""


def test_killed_training_ends_with_the_same_weights(project: Project):
    (project.folder / "photos").mkdir()
    for seed, name in enumerate("abc"):
        noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
        Image.fromarray(noise).resize((96, 72), Image.Resampling.BICUBIC).save(
            project.folder / f"photos/{name}.png"
        )
    weights = {name: f"results/{name}/weights/espcn_ycbcr.safetensors" for name in ("whole", "killed")}
    studies = {name: project.write_study(name, TRAINING.format(name=name)) for name in weights}
    calls = {name: ("--cores", "1", weights[name], "--configfile", studies[name]) for name in weights}
    assert project.snakemake(*calls["whole"]).returncode == 0

    checkpoint = project.folder / "results/killed/weights/checkpoints/espcn_ycbcr.pt"
    run = project.start(*calls["killed"])
    wait_for(checkpoint, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (project.folder / weights["killed"]).exists()
    done = project.snakemake(*calls["killed"])
    assert done.returncode == 0, done.stdout[-4000:]
    assert (project.folder / weights["killed"]).read_bytes() == (
        project.folder / weights["whole"]
    ).read_bytes()
    assert not checkpoint.exists()
