"""The step `anchor`: an interpolation in whole steps, and a network's output in half levels."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from superres import models
from superres.device.base.errors import UserError
from superres.device.frames.pixels import bicubic_taps
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.recipes import parse_recipe
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, read_initializers, refine_onnx
from superres.quantization.steps.anchor import round_interpolation

from ..network import calibrate

WEIGHTS = Path(models.__path__[0]) / "weights"
DATA = RandomImages("uniform", 3, 1, 24, 20)
JOB = StepJob("some", CalibrationSettings(name="some", method="minmax"), DATA)


@pytest.mark.parametrize("scale", [2, 3, 4, 5, 8])
def test_weights_are_whole_steps_with_the_same_sums(scale: int):
    taps = bicubic_taps(scale)
    kernels = np.einsum("iy,jx->ijyx", taps, taps).reshape(scale**2, 1, 5, 5)
    # Each output reads one of two colours.
    weights = np.concatenate([kernels, np.zeros_like(kernels)], axis=1).astype(np.float32)
    levels, steps = round_interpolation(weights)
    assert np.array_equal(levels, np.rint(levels)) and np.abs(levels).max() <= 127
    assert steps == int(127 / weights.max()) and (steps == 168) == (scale == 2)
    np.testing.assert_array_equal(levels.sum(axis=(2, 3)), [[steps, 0]] * scale**2)
    assert np.abs(levels / steps - weights).max() < 1 / steps


def prepare(folder: Path, name: str, *, silent: bool = False, asymmetric: bool = True) -> tuple[Path, Path]:
    """A shipped network and its ranges; `silent`, with hardly anything but its anchor."""
    path = folder / "fp32.onnx"
    export_onnx(name, WEIGHTS / f"{name.removesuffix('_folded')}.safetensors", path)
    if silent:
        graph = load_onnx(path)
        for tensor in graph.graph.initializer:
            if tensor.name.startswith("conv6."):
                tensor.CopyFrom(
                    numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1e-6), tensor.name)
                )
        onnx.save(graph, path)
    calibrate(path, DATA, folder / "r.json")
    if asymmetric:
        refine_onnx(path, folder / "r.json", "asymmetric", JOB, onnx_out=path, ranges_out=folder / "r.json")
    return path, folder / "r.json"


def take(state: tuple[Path, Path], step: str = "anchor") -> tuple[Path, Path]:
    after = state[0].with_name(f"{step}.onnx"), state[1].with_name(f"{step}.json")
    refine_onnx(*state, step, JOB, onnx_out=after[0], ranges_out=after[1])
    return after


def levels_of(state: tuple[Path, Path], frame: np.ndarray) -> np.ndarray:
    """The picture of the Q/DQ graph in levels, not rounded, for a frame of levels H x W x 3."""
    path = state[0].with_suffix(".int8.onnx")
    quantize_onnx(*state, path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    planes = (frame.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    return np.asarray(session.run(None, {"frame": planes})[0])[0].transpose(1, 2, 0) * 255


def some_frame() -> np.ndarray:
    random = np.random.default_rng(1)
    smooth = np.kron(random.integers(0, 256, (4, 5, 3)), np.ones((8, 8, 1)))
    return np.clip(smooth + random.normal(0, 5, smooth.shape), 0, 255).round()


@pytest.mark.parametrize("before", ["asymmetric", "reducerange"])
def test_flat_areas_are_exact_at_every_level(tmp_path: Path, before: str):
    state = prepare(tmp_path, "plain_c8_m4", silent=True)
    state = take(take(state, before) if before == "reducerange" else state)
    for level in range(0, 256, 5):
        frame = np.broadcast_to([level, level - level // 3, level], (6, 6, 3))
        np.testing.assert_allclose(
            levels_of(state, frame), np.broadcast_to(frame[0, 0], (12, 12, 3)), atol=1e-3
        )
    graph = load_onnx(state[0].with_suffix(".int8.onnx"))
    (name,) = [each.name for each in graph.graph.initializer if each.name.endswith("skip.weight_scale")]
    steps = 1 / read_initializers(graph)[name]
    np.testing.assert_allclose(steps, 168)


def test_the_picture_changes_by_fractions_of_a_level(tmp_path: Path):
    before = prepare(tmp_path, "plain_c8_m4")
    after, frame = take(before), some_frame()
    old, new = levels_of(before, frame), levels_of(after, frame)
    inside = (old > 1) & (old < 254)
    # Half levels alone add 1/48; the rest is the anchor's weights.
    assert 1 / 60 < np.mean((old - new)[inside] ** 2) < 0.06
    record = json.loads(after[1].read_text())
    assert record["steps"][-1] == {"step": "anchor", "settings": {}, "anchors": 1}
    graph = load_onnx(after[0].with_suffix(".int8.onnx")).graph
    kinds = {name: node.op_type for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 7
    assert all(kinds[name] == "DequantizeLinear" for node in convolutions for name in node.input[:2])
    (total,) = [node for node in graph.node if node.op_type == "Add"]
    assert sorted(kinds[name] for name in total.input) == ["Conv", "DequantizeLinear"]


def test_large_residuals_end_at_64_levels(tmp_path: Path):
    state = take(prepare(tmp_path, "plain_c8_m4"))
    ((name, limits),) = json.loads(state[1].read_text())["sums"].items()
    assert name == "/conv6/Conv_output_0"
    assert limits["min"] * 255 == pytest.approx(-64) and limits["max"] * 255 == pytest.approx(63.5)


@pytest.mark.parametrize("name", ["espcn_rgb", "espcn_ycbcr_folded"])
def test_a_network_without_an_anchor_stays(tmp_path: Path, name: str):
    # In the folded network, what stays in float also converts colours.
    before = prepare(tmp_path, name)
    after = take(before)
    assert after[0].read_bytes() == before[0].read_bytes()
    assert json.loads(after[1].read_text())["steps"][-1]["anchors"] == 0


def test_symmetric_data_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="expected the step asymmetric before it"):
        take(prepare(tmp_path, "plain_c8_m4", asymmetric=False))


def test_steps_that_fit_weights_come_before():
    parse_recipe("minmax+balance+asymmetric+reducerange+adaround+anchor+mixed")
    with pytest.raises(UserError, match="expected nothing but mixed after the step anchor, found adaround"):
        parse_recipe("minmax+asymmetric+anchor+adaround")
