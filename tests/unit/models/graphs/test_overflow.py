"""Which layers overflow 16 bits: by the weights of two neighbours."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper

from processors import MACHINE
from superres.device.machine.facts import adds_in_16_bits
from superres.models.graphs.overflow import overflowing

SCALE = np.float32(0.01)
EXACT, FAST = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL


def graph_of(levels: np.ndarray, stored: str = "int8", **options: Any) -> onnx.ModelProto:
    """One layer on uint8 data, its weights as float behind a pair, as int8 or uint8, or without a pair.

    Weights with two axes are a MatMul's, or with `transB` a Gemm's.
    """
    kind = "Conv" if levels.ndim == 4 else "Gemm" if options else "MatMul"
    axis = 0 if kind != "MatMul" else 1
    unsigned = stored == "uint8"
    zeros = np.full(levels.shape[axis], 128 if unsigned else 0, np.uint8 if unsigned else np.int8)
    values = {"scale": np.full(levels.shape[axis], SCALE), "zero": zeros}
    values |= {"step": np.float32(1 / 255), "black": np.uint8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["frame", "step", "black"], ["levels"]),
        helper.make_node("DequantizeLinear", ["levels", "step", "black"], ["data"]),
    ]
    if stored == "float pair":
        values["w"] = (levels * SCALE).astype(np.float32)
        nodes.append(helper.make_node("QuantizeLinear", ["w", "scale", "zero"], ["q"], axis=axis))
    elif stored == "float":
        values["d"] = (levels * SCALE).astype(np.float32)
    else:
        values["q"] = (levels + int(zeros[0])).astype(zeros.dtype)
    if stored != "float":
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], axis=axis))
    nodes.append(helper.make_node(kind, ["data", "d"], ["result"], **options))
    inputs = levels.shape[1 - axis] * options.get("group", 1)
    shape = [1, inputs, "h", "w"] if kind == "Conv" else ["n", inputs]
    ends = [
        helper.make_tensor_value_info("frame", TensorProto.FLOAT, shape),
        helper.make_tensor_value_info("result", TensorProto.FLOAT, None),
    ]
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "one", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


PAIRS = [
    ([64, 64], False),  # 2 x 64 x 255 = 32640
    ([64, 65], True),
    ([-64, -65], True),
    ([127, -127], False),  # one product takes from the other
    ([127, 0, 0, 127], False),
]


@pytest.mark.parametrize(("inputs", "expected"), [*PAIRS, ([0, 64, 65, 0], False)])
@pytest.mark.parametrize("stored", ["float pair", "int8", "uint8", "float"])
def test_two_products_of_one_sign_have_to_fit(inputs: list[int], expected: bool, stored: str) -> None:
    levels = np.zeros((2, len(inputs), 3, 3), np.int64)
    levels[1, :, 2, 0] = inputs
    found = overflowing(graph_of(levels, stored))
    assert found == (["result"] if expected and stored != "float" else [])


def test_levels_end_where_int8_does() -> None:
    levels = np.zeros((2, 2, 3, 3), np.int64)
    levels[1, :, 2, 0] = [200, 1]
    assert overflowing(graph_of(levels, "float pair")) == []
    levels[1, :, 2, 0] = [200, 2]
    assert overflowing(graph_of(levels, "float pair")) == ["result"]


@pytest.mark.parametrize(("inputs", "expected"), [*PAIRS, ([0, 64, 65, 0], True)])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_matrices_pair_any_neighbours(
    inputs: list[int], expected: bool, transposed: bool
) -> None:
    rows = np.array([[0] * len(inputs), inputs])
    graph = graph_of(rows, transB=1) if transposed else graph_of(rows.T)
    assert overflowing(graph) == (["result"] if expected else [])


def test_with_an_odd_number_of_channels_a_place_meets_the_next() -> None:
    # The last of three channels and the first of the next place: ONNX Runtime adds them, OpenVINO does not.
    levels = np.zeros((1, 3, 3, 3), np.int64)
    levels[0, 2, 1, 1], levels[0, 0, 1, 2] = 127, 127
    assert overflowing(graph_of(levels)) == ["result"]
    levels[0, 0, 1, 2], levels[0, 1, 1, 2] = 0, 127
    assert overflowing(graph_of(levels)) == []


def test_groups_pair_any_neighbours() -> None:
    levels = np.zeros((2, 4, 1, 1), np.int64)
    levels[0, 1:3] = 100
    assert overflowing(graph_of(levels)) == []
    assert overflowing(graph_of(levels, group=2)) == ["result"]


def test_layers_on_float_data_add_in_float() -> None:
    graph = graph_of(np.full((1, 2, 3, 3), 127))
    assert overflowing(graph) == ["result"]
    graph.graph.node[-1].input[0] = "frame"
    assert overflowing(graph) == []


@pytest.mark.parametrize("stored", ["float pair", "int8"])
@pytest.mark.parametrize("kind", [TensorProto.INT16, TensorProto.FLOAT8E4M3FN])
def test_other_types_are_not_added_in_pairs(stored: str, kind: int) -> None:
    graph = graph_of(np.full((1, 2, 3, 3), 127), stored)
    for tensor in graph.graph.initializer:
        if tensor.name in ("zero", "q"):
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(helper.make_tensor(tensor.name, kind, tensor.dims, values.ravel().tolist()))
    assert overflowing(graph) == []


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 16])
def test_what_fits_is_exact_in_every_runtime(channels: int) -> None:
    random = np.random.default_rng(channels)
    levels = random.integers(-127, 128, (8, channels, 3, 3))
    while overflowing(graph_of(levels)):
        levels = levels * 7 // 8
    assert np.abs(levels).max() > 60
    data = random.integers(0, 2, (1, channels, 9, 11)).astype(np.float32)
    step, exact, *found = run(graph_of(levels), levels, data)
    assert all(np.abs(each - exact).max() < 1.01 * step for each in found)


@pytest.mark.skipif(not adds_in_16_bits(MACHINE), reason="this processor adds products in 32 bits")
@pytest.mark.parametrize("channels", [1, 2, 3, 16])
def test_what_does_not_fit_is_wrong_on_such_a_processor(channels: int) -> None:
    levels = np.full((8, channels, 3, 3), 127)
    graph = graph_of(levels)
    assert overflowing(graph) == ["result"]
    step, exact, onnxruntime, openvino = run(graph, levels, np.ones((1, channels, 9, 11), np.float32))
    assert np.abs(onnxruntime - exact).max() > 20 * step
    # OpenVINO leaves the last of an odd number of channels alone.
    assert (np.abs(openvino - exact).max() > 20 * step) == (channels > 1)


def run(graph: onnx.ModelProto, levels: np.ndarray, data: np.ndarray) -> tuple[Any, ...]:
    """Return the step of a convolution's results, and these as written, in ONNX Runtime and in OpenVINO.

    They are rounded to whole steps, so that both runtimes take kernels for INT8.
    """
    rounded = onnx.ModelProto()
    rounded.CopyFrom(graph)
    body, step = rounded.graph, SCALE * np.float32(np.abs(levels).sum(axis=(1, 2, 3)).max() / 127)
    for name, value in (("coarse", step), ("middle", np.uint8(128))):
        body.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    body.node.append(helper.make_node("QuantizeLinear", ["result", "coarse", "middle"], ["rounded"]))
    body.node.append(helper.make_node("DequantizeLinear", ["rounded", "coarse", "middle"], ["last"]))
    body.output[0].name = "last"
    text, found = rounded.SerializeToString(), []
    for level in (EXACT, FAST):
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        session = ort.InferenceSession(text, options, providers=["CPUExecutionProvider"])
        found.append(np.asarray(session.run(None, {"frame": data})[0]))
    core = ov.Core()
    compiled = core.compile_model(core.read_model(text), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return step, *found, np.asarray(compiled(data)[0])


def test_the_products_of_a_pair_are_what_fits() -> None:
    assert 255 * (64 + 64) <= np.iinfo(np.int16).max < 255 * (64 + 65)


INTEGER = {
    "QLinearConv": ["levels", "step", "black", "w", "scale", "zero", "coarse", "black"],
    "QLinearMatMul": ["levels", "step", "black", "w", "scale", "zero", "coarse", "black"],
    "MatMulInteger": ["levels", "w", "black", "zero"],
    "ConvInteger": ["levels", "w", "black", "zero"],
}


@pytest.mark.parametrize("operator", INTEGER)
@pytest.mark.parametrize(("most", "zero"), [(64, 0), (127, 0), (127, 64)])
def test_layers_on_integers(operator: str, most: int, zero: int) -> None:
    """White enters each. Weights are multiplied as they are stored, also above a zero."""
    inputs, convolution = 16, "Conv" in operator
    weights = np.full((8, inputs, 1, 1) if convolution else (inputs, 8), most, np.int8)
    whole = "Integer" in operator
    sums = inputs * (most - zero) * 255
    values = {"step": np.float32(1 / 255), "black": np.uint8(0), "w": weights, "zero": np.int8(zero)}
    values |= {"scale": SCALE, "coarse": SCALE * np.float32(sums / 255 / 255)}
    last = helper.make_node("Cast", ["result"], ["last"], to=TensorProto.FLOAT)
    if not whole:
        last = helper.make_node("DequantizeLinear", ["result", "coarse", "black"], ["last"])
    nodes = [
        helper.make_node("QuantizeLinear", ["frame", "step", "black"], ["levels"]),
        helper.make_node(operator, INTEGER[operator], ["result"]),
        last,
    ]
    shape = [1, inputs, 8, 8] if convolution else [20, inputs]
    frame = helper.make_tensor_value_info("frame", TensorProto.FLOAT, shape)
    end = helper.make_tensor_value_info("last", TensorProto.FLOAT, None)
    used = {name for node in nodes for name in node.input}
    kept = [numpy_helper.from_array(np.asarray(v), name) for name, v in values.items() if name in used]
    body = helper.make_graph(nodes, "one", [frame], [end], kept)
    graph = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    fits = most <= 64 or operator == "ConvInteger"
    assert overflowing(graph) == ([] if fits else ["result"])
    if fits or adds_in_16_bits(MACHINE):
        session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        found = np.asarray(session.run(None, {"frame": np.ones(shape, np.float32)})[0])
        exact = sums if whole else sums * SCALE / 255
        assert (np.abs(found / exact - 1).max() < 0.01) == fits
