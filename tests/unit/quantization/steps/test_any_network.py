"""The recommended recipe on networks that are no chain of plain convolutions with biases: each step does what
it can, and the float graph stays what it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from superres.models.graphs.onnx_file import attributes, load_onnx
from superres.models.graphs.overflow import overflowing
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.recipes import STEPS
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, refine_onnx

from ..network import build_network, calibrate, network_weights, write_set

STEPS_OF_TUNED = ("balance", "asymmetric", "reducerange", "adaround", "anchor")
SETTINGS = {"adaround": {"images": 2, "pixels": 300, "seed": 0}}


def one_convolution() -> onnx.ModelProto:
    (weights, _), (_, _), (_, bias) = network_weights()
    return build_network([(np.tile(weights[:4, :, 1:4, 1:4], (3, 1, 1, 1)), bias)])


def without_biases() -> onnx.ModelProto:
    model = build_network(network_weights())
    for node in model.graph.node:
        if node.op_type == "Conv":
            del node.input[2:]
    kept = [tensor for tensor in model.graph.initializer if not tensor.name.startswith("b")]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def second_changed(**changed: Any) -> onnx.ModelProto:
    """The second convolution with other attributes; `group` takes its weights apart too."""
    model = build_network(network_weights())
    node = next(node for node in model.graph.node if "c2" in node.output)
    known = attributes(node) | changed
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in known.items())
    if groups := changed.get("group"):
        weights = next(tensor for tensor in model.graph.initializer if tensor.name == "w2")
        values = numpy_helper.to_array(weights)
        weights.CopyFrom(
            numpy_helper.from_array(
                np.ascontiguousarray(values[:, : values.shape[1] // groups]) + np.float32(0.01), "w2"
            )
        )
    return model


NETWORKS = {
    "one convolution": (one_convolution, 0, []),
    "no biases": (without_biases, 2, []),
    "groups": (lambda: second_changed(group=2), 1, ["c2"]),
    "dilations": (lambda: second_changed(dilations=[2, 2], pads=[2, 2, 2, 2]), 2, ["c2"]),
}


def run(path: Path, image: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": image})[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_recommended_recipe_takes_any_network(tmp_path: Path, name: str):
    build, pairs, nearest = NETWORKS[name]
    random = np.random.default_rng(0)
    frames = np.clip(random.normal(120, 60, (2, 24, 28, 3)), 0, 255).astype(np.uint8)
    images = FrameFile(write_set(tmp_path, list(frames)), 2)
    before = tmp_path / "fp32.onnx"
    onnx.save(build(), before)
    onnx.checker.check_model(str(before), full_check=True)
    calibrate(before, images, tmp_path / "r.json")
    state = (before, tmp_path / "r.json")
    calibration = CalibrationSettings(name="some", method="minmax")
    for step in STEPS_OF_TUNED:
        settings = STEPS[step].settings(**SETTINGS.get(step, {}))
        job = StepJob("small", calibration, images, settings, measured=tmp_path / "r.npz")
        after = (tmp_path / f"{step}.onnx", tmp_path / f"{step}.json")
        refine_onnx(*state, step, job, onnx_out=after[0], ranges_out=after[1])
        state = after
    taken = {step["step"]: step for step in json.loads(state[1].read_text())["steps"]}
    assert len(taken["balance"]["scales"]) == pairs
    assert taken["adaround"]["nearest"] == nearest
    image = (frames[:1].transpose(0, 3, 1, 2) / 255).astype(np.float32)
    balanced = run(tmp_path / "balance.onnx", image)
    np.testing.assert_allclose(balanced, run(before, image), atol=1e-5)
    quantize_onnx(*state, tmp_path / "int8.onnx")
    assert overflowing(load_onnx(tmp_path / "int8.onnx")) == []
    # INT8 of the last state is nearer to FP32 than that of the ranges alone.
    errors = []
    for onnx_path, ranges in ((before, tmp_path / "r.json"), state):
        quantize_onnx(onnx_path, ranges, tmp_path / "int8.onnx")
        errors.append(np.mean((run(tmp_path / "int8.onnx", image) - run(before, image)) ** 2))
    assert errors[1] < errors[0]
