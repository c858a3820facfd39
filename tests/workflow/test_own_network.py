"""A network of one's own, by a study alone: trained with a teacher, exported, quantised, measured."""

import csv
import json

import numpy as np
from PIL import Image

from project_copy import Project

STUDY = """
study: own
clips: [{name: clip, source: {type: images, path: photos, include: [c.png]}}]
training_sets:
  - {name: training, sources: [{type: images, path: photos, include: [a.png]}]}
  - {name: validation, sources: [{type: images, path: photos, include: [b.png]}]}
calibrations: [{name: dummy, data: {type: random, width: 32, height: 24}}]
models:
  - {name: wide, architecture: {kind: espcn, channels: [8, 6]}, weights: train}
  - name: mine
    architecture: {kind: plain, channels: 4, layers: 1, unshuffle: 2}
    weights: train
    training: {teacher: {model: wide}, expansion: 6}
runtimes:
  - {name: onnxruntime, precisions: [fp32, int8-dummy]}
  - {name: openvino, precisions: [fp32, int8-dummy]}
table: {calibrated: dummy}
training: {steps: 8, batch: 2, patches: [8], warmup_steps: 2}
"""


def test_a_network_of_ones_own_is_trained_and_measured(project: Project):
    (project.folder / "photos").mkdir()
    # An LR image of odd size, 17 x 23: its blocks of 2 x 2 pixels are padded.
    for seed, name in enumerate("abc"):
        noise = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)
        picture = Image.fromarray(noise).resize((34, 46), Image.Resampling.BICUBIC)
        picture.save(project.folder / f"photos/{name}.png")
    study = project.write_study("own", STUDY)
    done = project.snakemake("--cores", "1", "evaluate", "--configfile", study)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results/own"
    rows = list(csv.DictReader((results / "evaluation.csv").open(newline="")))
    arms = {(row["runtime"], row["model"], row["precision"]): float(row["psnr_y_db"]) for row in rows}
    assert len(arms) == 8
    for model in ("mine", "wide"):
        # Both runtimes run the same network; INT8 of hardly trained weights on an anchor loses little.
        values = [arms[runtime, model, "fp32"] for runtime in ("onnxruntime", "openvino")]
        assert abs(values[0] - values[1]) < 0.01
        assert all(abs(arms[key] - values[0]) < 0.3 for key in arms if key[1] == model)
    record = json.loads((results / "weights/mine.json").read_text(encoding="utf-8"))
    assert record["settings"]["teacher"] == {"model": "wide", "share": 0.5}
    assert record["architecture"]["unshuffle"] == 2
