"""Frames and casts: values against the network with the conversion in numpy, and the file's contract."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from superres.device.base.errors import UserError
from superres.models.graphs.uint8.casts import write_casts

from ....device.conftest import GraphBuilder
from ....device.trt.graphs import MODELS, write_graphs
from ..test_editor import SIZES, frame_of, oracle, write_network


def run(path: Path, frame: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame})[0])


@pytest.mark.parametrize("limits", [(0.0, 1.0), None])
def test_levels_are_those_of_the_definition(limits, tmp_path):
    write_casts(write_network(tmp_path / "fp32.onnx", limits), tmp_path / "casts.onnx")
    for size in SIZES:
        frame = frame_of(*size)
        found = run(tmp_path / "casts.onnx", frame)
        assert found.dtype == np.uint8 and found.shape == (1, 2 * size[0], 2 * size[1], 3)
        assert np.abs(found[0] - oracle(frame, limits)).max() <= 0.501


def test_the_network_in_between_stays_as_it_is(tmp_path):
    file = write_network(tmp_path / "int8.onnx", quantized=True)
    write_casts(file, tmp_path / "casts.onnx")
    before, after = onnx.load(file).graph, onnx.load(tmp_path / "casts.onnx").graph
    kinds = [node.op_type for node in after.node]
    assert kinds[:3] == ["Cast", "Transpose", "Div"]
    assert kinds[-5:] == ["Mul", "Round", "Clip", "Transpose", "Cast"]
    assert [node.name for node in after.node[3:-5]] == [node.name for node in before.node]
    ends = [*after.input, *after.output]
    assert [value.type.tensor_type.elem_type for value in ends] == [TensorProto.UINT8] * 2
    frame = frame_of(8, 12)
    planes = (frame.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2)
    levels = np.rint(run(file, planes) * np.float32(255)).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(run(tmp_path / "casts.onnx", frame), levels)


def test_a_graph_that_has_frames_already_is_a_users_mistake(tmp_path):
    write_casts(write_network(tmp_path / "fp32.onnx"), tmp_path / "casts.onnx")
    with pytest.raises(UserError, match="expected float32 1 x 3 x H x W as frame"):
        write_casts(tmp_path / "casts.onnx", tmp_path / "again.onnx")


def relu_graph(path: Path, before: float, after: float, *, other_reader: bool = False) -> Path:
    """A ReLU between two Q/DQ pairs with these scales, whose input another node may read too."""
    graph = GraphBuilder()
    x = graph.quantized("frame", before)
    if other_reader:
        graph.add("Neg", [x], "negative")
    x = graph.quantized(graph.add("Relu", [x], "relu"), after)
    x = graph.add("Concat", [x] * 4, "channels", axis=1)
    graph.add("DepthToSpace", [x], "upscaled", blocksize=2, mode="CRD")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])
        for name, height, width in (("frame", "H", "W"), ("upscaled", "H2", "W2"))
    ]
    body = helper.make_graph(graph.nodes, "relu", ends[:1], ends[1:], graph.constants)
    onnx.save(helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("before", "after", "other_reader", "pairs"),
    [(0.01, 0.01, False, 1), (0.01, 0.02, False, 2), (0.01, 0.01, True, 2)],
)
def test_a_pair_before_a_relu_that_is_repeated_after_it_goes(before, after, other_reader, pairs, tmp_path):
    """It would keep TensorRT from fusing the ReLU with its convolution."""
    file = relu_graph(tmp_path / "int8.onnx", before, after, other_reader=other_reader)
    write_casts(file, tmp_path / "casts.onnx")
    written = onnx.load(tmp_path / "casts.onnx").graph
    assert sum(node.op_type == "QuantizeLinear" for node in written.node) == pairs
    read = {name for node in written.node for name in node.input}
    assert {tensor.name for tensor in written.initializer} <= read
    frame = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(1, 2, 4, 3) * np.uint8(10)
    planes = (frame.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2)
    levels = np.clip(np.rint(run(file, planes) * np.float32(255)), 0, 255).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(run(tmp_path / "casts.onnx", frame), levels)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_has_one_pair_for_each_tensor_that_a_convolution_reads(name, tmp_path):
    folder = write_graphs(name, tmp_path)
    write_casts(folder / "int8-dummy.onnx", tmp_path / "casts.onnx")
    written = onnx.load(tmp_path / "casts.onnx").graph
    readers = {name: node.op_type for node in written.node for name in node.input}
    relus = [node for node in written.node if node.op_type == "Relu"]
    assert len(relus) == (5 if name == "plain_c16_m4" else 2)
    writers = {node.output[0]: node.op_type for node in written.node}
    assert {writers[node.input[0]] for node in relus} == {"Conv"}
    assert {readers[node.output[0]] for node in relus} == {"QuantizeLinear"}
    frame = np.random.default_rng(0).integers(0, 256, (1, 16, 24, 3), np.uint8)
    planes = (frame.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2)
    levels = np.clip(np.rint(run_exactly(folder / "int8-dummy.onnx", planes) * np.float32(255)), 0, 255)
    found = run_exactly(tmp_path / "casts.onnx", frame)
    np.testing.assert_array_equal(found, levels.transpose(0, 2, 3, 1))


def run_exactly(path: Path, frame: np.ndarray) -> np.ndarray:
    """Run a graph as it is written, Q/DQ in float: kernels of INT8 depend on where the pairs stand."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame})[0])
