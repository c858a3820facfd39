"""Networks of several scales in one study: the same pixels for all, and each scale by itself."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from project_copy import Project, read_jobs

STUDY = """
study: scales
clips:
  - {name: clip, source: {type: images, path: photos, include: [c.png]}}
training_sets:
  - {name: training, sources: [{type: images, path: photos, include: [a.png]}]}
  - {name: validation, sources: [{type: images, path: photos, include: [b.png]}]}
calibrations: [{name: dummy, data: {type: random, width: 24, height: 16}}]
models:
  - {name: espcn_anchor}
  - {name: same, architecture: {kind: plain, channels: 4, layers: 1, scale: 1}, weights: train}
  - {name: three, architecture: {kind: fsrcnn, channels: [6, 4], layers: 1, scale: 3}, weights: train}
  - {name: four, architecture: {kind: espcn, channels: [6, 4], colour: rgb, scale: 4}, weights: train}
  - {name: bicubic, kernel: matlab}
runtimes:
  - {name: onnxruntime, precisions: [fp32, int8-dummy]}
  - {name: openvino, precisions: [fp32, int8-dummy]}
  - {name: opencv, precisions: [uint8]}
table: {calibrated: dummy}
quality: {border: scale}
training: {steps: 6, batch: 2, patches: [8], warmup_steps: 2}
latency:
  {warmup_seconds: 0.02, min_seconds: 0.02, min_iterations: 5, max_seconds: 0.1, rounds: 6, block_seconds: 0}
roofline: {seconds: 0.02}
"""
SCALES = {"espcn_anchor": 2, "same": 1, "three": 3, "four": 4}
BICUBIC = {"bicubic": 2, "bicubic_x1": 1, "bicubic_x3": 3, "bicubic_x4": 4}


def write_photographs(folder: Path) -> None:
    folder.mkdir()
    for seed, name in enumerate("abc"):
        noise = np.random.default_rng(seed).integers(0, 256, (17, 19, 3), np.uint8)
        Image.fromarray(noise).resize((130, 115), Image.Resampling.BICUBIC).save(folder / f"{name}.png")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    from project_copy import copy_project

    project = copy_project(tmp_path_factory.mktemp("scales"))
    write_photographs(project.folder / "photos")
    path = project.write_study("scales", STUDY)
    done = project.snakemake("--cores", "2", "all", "--configfile", path)
    assert done.returncode == 0, done.stdout[-6000:]
    return project, path


def rows_of(project: Project) -> list[dict[str, str]]:
    with (project.folder / "results/scales/metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_model_is_measured_on_the_same_pixels(study: tuple[Project, str]) -> None:
    project, _ = study
    frames = project.folder / "results/scales/frames"
    index = json.loads((frames / "clip.json").read_text())
    assert (index["multiple"], index["hr_shapes"]) == (12, [[108, 120]])
    assert np.load(frames / "clip.hr.npy").shape == (1, 108, 120, 3)
    for scale in (1, 2, 3, 4):
        assert np.load(frames / f"clip.x{scale}.npy").shape == (1, 108 // scale, 120 // scale, 3)
    log = project.folder / "results/scales/logs/prepare_clip/frames/clip.log"
    assert "cropped to multiples of 12 pixels: c.png from 130x115 to 120x108" in log.read_text()
    # Training takes what its own scale can use.
    assert np.load(project.folder / "results/scales/training/training.hr.npy").shape == (1, 115, 130, 3)
    assert np.load(project.folder / "results/scales/training/training.x4.npy").shape == (1, 28, 32, 3)
    quality = project.folder / "results/scales/arms/local/openvino"
    for model in SCALES:
        with (quality / model / "fp32/quality.csv").open(newline="") as file:
            assert [(row["height"], row["width"]) for row in csv.DictReader(file)] == [("108", "120")]


def test_each_scale_has_its_bicubic_and_its_reference(study: tuple[Project, str]) -> None:
    rows = rows_of(study[0])
    assert {row["status"] for row in rows} == {"ok"}
    assert {(row["model"], int(row["scale"])) for row in rows} == {*SCALES.items(), *BICUBIC.items()}
    for row in rows:
        if row["model"] in SCALES:
            reference = next(name for name, scale in SCALES.items() if scale == int(row["scale"]))
            assert row["reference"] == f"local/openvino/{reference}/fp32"
    # The literature's border is as wide as the scale.
    assert all(row["border"] == row["scale"] for row in rows)
    psnr = {row["model"]: float(row["psnr_db"]) for row in rows if row["precision"] in ("fp32", "uint8")}
    # Nothing is lost at scale 1, and more at larger ones.
    assert psnr["bicubic_x1"] == 60 > psnr["bicubic"] > psnr["bicubic_x3"] > psnr["bicubic_x4"]


def test_runtimes_agree_at_every_scale(study: tuple[Project, str]) -> None:
    rows = rows_of(study[0])
    for model in SCALES:
        fp32 = {
            row["runtime"]: float(row["psnr_db"])
            for row in rows
            if (row["model"], row["precision"]) == (model, "fp32")
        }
        assert len(fp32) == 2
        assert max(fp32.values()) - min(fp32.values()) < 0.02


def test_tables_and_the_recommendation_keep_scales_apart(study: tuple[Project, str]) -> None:
    results = study[0].folder / "results/scales"
    table = (results / "table1.md").read_text()
    assert [line for line in table.splitlines() if line.startswith("## At")] == [
        "## At x1",
        "## At x2",
        "## At x3",
        "## At x4",
    ]
    assert "a border of as many pixels as the scale (1 at x1, 2 at x2, 3 at x3, 4 at x4)" in table
    assert "Bicubic x3" in table and "| three " in table.partition("## At x3")[2].partition("## At x4")[0]
    with (results / "table1.csv").open(newline="") as file:
        found = {
            (row["model"], row["scale"]) for row in csv.DictReader(file) if row["source"] == "this study"
        }
    assert {("three", "3"), ("Bicubic x4", "4")} <= found and ("three", "2") not in found
    record = json.loads((results / "recommendation.json").read_text())
    assert [(each["target"], each["scale"]) for each in record["targets"]] == [
        ("local", scale) for scale in (1, 2, 3, 4)
    ]
    for each in record["targets"]:
        front = {arm["arm"].split("/")[2] for arm in each["front"]}
        assert {SCALES[model] for model in front} <= {each["scale"]}


def test_a_further_scale_keeps_trainings(study: tuple[Project, str]) -> None:
    project, _ = study
    more = STUDY.replace(
        "{name: espcn_anchor}",
        "{name: espcn_anchor}\n  - {name: six, weights: train, "
        "architecture: {kind: plain, channels: 4, layers: 1, scale: 6}}",
    )
    dry = project.snakemake("-n", "--cores", "1", "all", "--configfile", project.write_study("more", more))
    jobs = read_jobs(dry.stdout)
    # Twelve is a multiple of six: no frame changes.
    assert jobs["train_model"] == 1 and "prepare_clip" not in jobs
    assert jobs["downsample_clip"] == 3
    # Its bicubic, and the new network.
    assert jobs["measure_quality"] == 5
