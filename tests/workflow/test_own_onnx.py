"""Networks of others by a study alone: of any size, of one size in tiles, and quantised already."""

import csv
import json

import numpy as np
from PIL import Image

from project_copy import Project

from ..unit.models import foreign, foreign_quantized, foreign_sizes

STUDY = """
study: foreign
clips: [{name: clip, source: {type: images, path: photos, include: [c.png]}}]
calibrations: [{name: dummy, data: {type: random, width: 40, height: 30}}]
models:
  - {name: whole, onnx: models/whole.onnx, range: -1..1}
  - {name: tiled, onnx: models/tiled.onnx, range: 0..1}
  - {name: rounded, onnx: models/rounded.onnx, range: 0..1}
  - {name: rare, onnx: models/rare.onnx, range: 0..1}
runtimes:
  - {name: onnxruntime, precisions: [fp32, int8-dummy, as-is]}
  - {name: openvino, precisions: [int8-dummy, as-is]}
table: {calibrated: dummy}
"""


def test_networks_of_others_are_measured(project: Project):
    (project.folder / "photos").mkdir()
    (project.folder / "models").mkdir()
    noise = np.random.default_rng(0).integers(40, 216, (15, 21, 3), np.uint8)
    picture = Image.fromarray(noise).resize((168, 120), Image.Resampling.BICUBIC)
    picture.save(project.folder / "photos/c.png")
    writers = {
        "whole": foreign.normalised,
        "tiled": foreign_sizes.flattened,
        "rounded": foreign_quantized.pairs,
        "rare": foreign_sizes.rare,
    }
    for name, write in writers.items():
        write(project.folder / f"models/{name}.onnx")
    study = project.write_study("foreign", STUDY)
    done = project.snakemake("--cores", "1", "evaluate", "--configfile", study)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results/foreign"
    rows = list(csv.DictReader((results / "evaluation.csv").open(newline="")))
    found = {(row["runtime"], row["model"], row["precision"]): row for row in rows}
    # As is: the network that is quantised already, in both runtimes, and no other.
    assert sorted(key for key in found if key[2] == "as-is") == [
        ("onnxruntime", "rounded", "as-is"),
        ("openvino", "rounded", "as-is"),
    ]
    assert len(found) == (4 * 2 + 1) + (4 + 1)
    for (runtime, model, precision), row in found.items():
        if (runtime, model) == ("openvino", "rare"):
            assert row["status"].startswith("not run: openvino")
            assert "Det" in row["status"]
            continue
        if "runs no convolution of this graph in INT8" in row["status"]:
            # Their convolutions write floats, which this runtime multiplies in float.
            assert (runtime, precision) == ("onnxruntime", "int8-dummy")
            assert model in ("rare", "tiled")
            continue
        assert row["status"] == "ok", (runtime, model, precision, row["status"])
        assert float(row["psnr_db"]) > 25
        # All float forms are the network; INT8 rounds it.
        fp32 = float(found["onnxruntime", model, "fp32"]["psnr_db"])
        assert abs(float(row["psnr_db"]) - fp32) < (0.01 if precision == "fp32" else 1.0)
    record = json.loads((results / "onnx/tiled/adopted.json").read_text(encoding="utf-8"))
    assert record["own_size"] == [48, 64]
    # Frames of 60 x 84 in tiles of 48 x 64.
    quality = json.loads((results / "arms/local/openvino/tiled/int8-dummy/quality.json").read_text())
    assert quality["session"]["tiles"] == 4
    layers = json.loads((results / "onnx/whole/int8-dummy.json").read_text(encoding="utf-8"))
    # The conversion of the range stays in float.
    assert [layer["quantized"] for layer in layers["layers"]] == [False, True, True]
    assert layers["layers"][0]["why_float"] == "it carries the picture itself"
