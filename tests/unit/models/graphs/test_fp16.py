"""FP16 written into a graph: types and values, against the same arithmetic by hand in numpy."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from superres import models
from superres.device.base.errors import UserError
from superres.models.export import export_onnx
from superres.models.graphs.fp16 import convert_fp16
from superres.models.settings import weights_name

WEIGHTS = Path(models.__path__[0]) / "weights"
SCALE = np.array([1.0003, 0.3001, 2.0007], np.float32).reshape(1, 3, 1, 1)


def write_product(path: Path, scale: np.ndarray, constant: bool = False) -> Path:
    """upscaled = frame * scale, with the scale as an initializer or as the value of a node."""
    nodes = [helper.make_node("Mul", ["frame", "scale"], ["upscaled"])]
    tensor = numpy_helper.from_array(scale, "scale")
    if constant:
        nodes.insert(0, helper.make_node("Constant", [], ["scale"], value=tensor))
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, "h", "w"]) for n in ("frame", "upscaled")
    ]
    graph = helper.make_graph(nodes, "product", ends[:1], ends[1:], [] if constant else [tensor])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("constant", [False, True])
def test_values_are_those_of_float16(constant, tmp_path):
    convert_fp16(write_product(tmp_path / "fp32.onnx", SCALE, constant), tmp_path / "fp16.onnx")
    frame = np.random.default_rng(1).random((1, 3, 5, 7), dtype=np.float32)
    outputs: Any = ReferenceEvaluator(str(tmp_path / "fp16.onnx")).run(None, {"frame": frame})
    (found,) = outputs
    expected = frame.astype(np.float16) * SCALE.astype(np.float16)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))
    assert np.abs(found - frame * SCALE).max() > 1e-4


@pytest.fixture(scope="module", params=["espcn_rgb", "espcn_ycbcr", "espcn_anchor"])
def pair(request, tmp_path_factory) -> tuple[Path, Path]:
    """A model in FP32 and in FP16."""
    folder = tmp_path_factory.mktemp(request.param)
    name = request.param
    export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", folder / "fp32.onnx")
    convert_fp16(folder / "fp32.onnx", folder / "fp16.onnx")
    return folder / "fp32.onnx", folder / "fp16.onnx"


def test_every_convolution_is_half_and_the_ends_are_float(pair):
    model = onnx.shape_inference.infer_shapes(onnx.load(pair[1]), strict_mode=True)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert len(convolutions) in {3, 4}
    for node in convolutions:
        assert {types[name] for name in (*node.input, *node.output)} == {TensorProto.FLOAT16}
    ends = (*model.graph.input, *model.graph.output)
    assert [(v.name, v.type.tensor_type.elem_type) for v in ends] == [("frame", 1), ("upscaled", 1)]
    assert pair[1].stat().st_size < 0.6 * pair[0].stat().st_size


def test_a_picture_is_the_same_to_less_than_half_a_level(pair):
    rng = np.random.default_rng(4)
    frame = np.clip(rng.normal(0.5, 0.05, (1, 3, 40, 56)).cumsum(3) / 20, 0, 1).astype(np.float32)
    fp32, fp16 = (
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"frame": frame})[0]
        for path in pair
    )
    difference = 255 * np.abs(np.asarray(fp16, np.float64) - np.asarray(fp32, np.float64))
    assert 0.01 < difference.max() < 0.5
    # The mean squared error of rounding to 8 bits alone is 1/12 of a level.
    assert np.mean(difference**2) < 0.1 / 12


def test_the_same_file_gives_the_same_bytes(pair, tmp_path):
    convert_fp16(pair[0], tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == pair[1].read_bytes()


@pytest.mark.parametrize("value", [7e4, -np.inf, np.nan])
def test_a_weight_that_float16_cannot_hold_is_a_users_mistake(value, tmp_path):
    scale = copy.copy(SCALE)
    scale[0, 1] = value
    with pytest.raises(UserError, match=r"values of scale within float16's \+-65504, found"):
        convert_fp16(write_product(tmp_path / "fp32.onnx", scale), tmp_path / "fp16.onnx")
    assert not (tmp_path / "fp16.onnx").exists()


def test_a_graph_that_is_no_network_in_fp32_is_a_users_mistake(pair, tmp_path):
    model = onnx.load(pair[0])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    onnx.save(model, tmp_path / "uint8.onnx")
    with pytest.raises(UserError, match="expected one float32 input and one output"):
        convert_fp16(tmp_path / "uint8.onnx", tmp_path / "fp16.onnx")
