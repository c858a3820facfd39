"""A network of one's own, by a study alone: trained with a teacher, exported, quantised, measured."""

import csv
import json
import os
import pickle
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image

from project_copy import Project
from superres.models.adoption.statements import INSTALL_SPANDREL

STUDY = """
study: own
clips: [{name: clip, source: {type: images, path: photos, include: [c.png]}}]
training_sets:
  - {name: training, sources: [{type: images, path: photos, include: [a.png]}]}
  - {name: validation, sources: [{type: images, path: photos, include: [b.png]}]}
calibrations: [{name: dummy, steps: [reducerange], data: {type: random, width: 32, height: 24}}]
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


CHECKPOINT = """
study: theirs
clips: [{name: clip, source: {type: images, path: photos, include: [c.png]}}]
calibrations: [{name: dummy, data: {type: random, width: 32, height: 24}}]
models: [{name: theirs, checkpoint: models/x2.pth, range: 0..1}]
runtimes:
  - {name: onnxruntime, precisions: [fp32]}
  - {name: openvino, precisions: [fp32, int8-dummy]}
table: {calibrated: dummy}
"""


@pytest.mark.skipif(find_spec("spandrel") is None, reason=f"spandrel is not installed: {INSTALL_SPANDREL}")
def test_a_checkpoint_of_others_is_exported_adopted_quantised_and_measured(project: Project):
    import torch
    from torch.nn import functional

    for folder in ("photos", "models"):
        (project.folder / folder).mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    picture = Image.fromarray(noise).resize((36, 46), Image.Resampling.BICUBIC)
    picture.save(project.folder / "photos/c.png")
    # Real-ESRGAN compact: two convolutions whose blocks are added to the frame, enlarged by repetition.
    random = torch.Generator().manual_seed(0)
    shapes = {
        "body.0.weight": (8, 3, 3, 3),
        "body.0.bias": (8,),
        "body.1.weight": (8,),
        "body.2.weight": (12, 8, 3, 3),
        "body.2.bias": (12,),
    }
    tensors = {name: 0.02 * torch.randn(shape, generator=random) for name, shape in shapes.items()}
    checkpoint = project.folder / "models/x2.pth"
    torch.save({"params_ema": tensors}, checkpoint)
    study = project.write_study("theirs", CHECKPOINT)
    done = project.snakemake("--cores", "1", "evaluate", "--configfile", study)
    assert done.returncode == 0, done.stdout[-4000:]
    results = project.folder / "results/theirs"
    with (results / "evaluation.csv").open(newline="") as file:
        found = {(row["runtime"], row["precision"]): float(row["psnr_db"]) for row in csv.DictReader(file)}
    lr, hr = (np.load(results / f"frames/clip.{kind}.npy").astype(np.float32) for kind in ("x2", "hr"))
    frame = torch.from_numpy(lr.transpose(0, 3, 1, 2) / 255)
    hidden = functional.conv2d(frame, tensors["body.0.weight"], tensors["body.0.bias"], padding=1)
    hidden = functional.prelu(hidden, tensors["body.1.weight"])
    blocks = functional.conv2d(hidden, tensors["body.2.weight"], tensors["body.2.bias"], padding=1)
    large = functional.pixel_shuffle(blocks, 2) + functional.interpolate(frame, scale_factor=2)
    levels = np.rint(255 * large.clamp(0, 1).numpy().transpose(0, 2, 3, 1))
    expected = 10 * np.log10(255**2 / np.mean((levels - hr) ** 2))
    assert abs(found["onnxruntime", "fp32"] - expected) < 0.01
    assert abs(found["openvino", "fp32"] - expected) < 0.01
    assert abs(found["openvino", "int8-dummy"] - expected) < 0.3

    checkpoint.write_bytes(pickle.dumps({"a": Executed()}))
    done = project.snakemake("--cores", "1", "evaluate", "--configfile", study)
    assert done.returncode != 0
    assert "models/x2.pth: expected a checkpoint with tensors, found a pickle with code in it" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (project.folder / "ran").exists()


class Executed:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("ran",)
