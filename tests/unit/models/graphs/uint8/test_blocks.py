"""Graphs with blocks as output: values against the graph that gives frames."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from superres import models
from superres.device.frames.pixels import from_blocks
from superres.models.architectures import Plain
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import find_convolutions, load_onnx, save_onnx
from superres.models.graphs.uint8.blocks import block_graph, write_blocks
from superres.models.graphs.uint8.channels_last import write_channels_last
from superres.models.graphs.uint8.levels import write_levels
from superres.models.networks import build_network
from superres.models.settings import NetworkSettings, weights_name
from superres.models.weights import save_weights
from superres.quantization.qdq import quantize_graph
from superres.quantization.ranges.record import Ranges, TensorRange

from ..test_editor import write_frames

WEIGHTS = Path(models.__path__[0]) / "weights"
PLAIN = ("espcn_rgb", "espcn_ycbcr_folded", "espcn_anchor", "unshuffled")


def write_model(folder: Path, name: str, precision: str) -> Path:
    """A shipped network in FP32, or as a Q/DQ graph, symmetric or not, with rough ranges."""
    path = folder / f"{precision}.onnx"
    if name == "unshuffled":
        export_unshuffled(path)
    else:
        export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", path)
    if precision != "fp32":
        graph = load_onnx(path)
        tensors = {c.data: TensorRange(0.0, 2.0, 1.5) for c in find_convolutions(graph)}
        ranges = Ranges(
            tensors | {"frame": TensorRange(0.0, 1.0, 1.0)},
            origin={},
            activation="symmetric" if precision == "int8" else "asymmetric",
        )
        onnx.save(quantize_graph(graph, ranges, path), path)
    return path


def export_unshuffled(path: Path) -> None:
    """A network on blocks of 2 x 2 pixels with random weights, whose result is cropped for odd sizes."""
    torch.manual_seed(0)
    settings = NetworkSettings(architecture=Plain(channels=9, layers=1, unshuffle=2))
    network = build_network("unshuffled", settings)
    with torch.no_grad():
        network.trunk.convolutions[-1].weight.normal_(std=0.05)
    save_weights(network, path.with_suffix(".safetensors"))
    export_onnx("unshuffled", path.with_suffix(".safetensors"), path, settings)


def run(path: Path, frame: np.ndarray) -> np.ndarray:
    # As written: the INT8 sums of some processors overflow.
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame[np.newaxis]})[0])[0]


def write_aligned(source: Path, out: Path) -> None:
    save_onnx(block_graph(source, aligned=True), out)


FORMS = {
    "blocks": write_blocks,
    "aligned": write_aligned,
    "channels_last": write_channels_last,
    "levels": write_levels,
}


def upscaled(path: Path, frame: np.ndarray) -> np.ndarray:
    blocks = run(path, frame)
    height, width, channels = blocks.shape
    assert (height, width, channels) == (*frame.shape[:2], channels)
    result = np.empty((2 * height, 2 * width, 3), np.uint8)
    from_blocks(blocks, result, 2)
    return result


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["fp32", "int8", "uint8"])
@pytest.mark.parametrize("name", PLAIN)
def test_pictures_are_those_of_the_graph_that_gives_frames(
    tmp_path: Path, name: str, precision: str, form: str
) -> None:
    path = write_model(tmp_path, name, precision)
    write_frames(path, tmp_path / "frames.onnx")
    FORMS[form](path, tmp_path / "blocks.onnx")
    random = np.random.default_rng(1)
    # Smooth: most values are within 0..255; noise goes beyond.
    smooth = np.kron(random.integers(0, 256, (4, 5, 3)), np.ones((8, 8, 1)))[:31, :37]
    frame = np.clip(smooth + random.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
    expected, found = run(tmp_path / "frames.onnx", frame), upscaled(tmp_path / "blocks.onnx", frame)
    assert expected.shape == (62, 74, 3)
    differing = expected.astype(int) - found
    # Float sums in another order: a value next to a tie may go to the other level.
    assert np.abs(differing).max() <= 1
    assert (differing != 0).mean() < 2e-3


def test_aligned_graphs_have_the_channels_that_onnxruntime_is_fast_with(tmp_path: Path) -> None:
    path = write_model(tmp_path, "espcn_rgb", "int8")
    write_aligned(path, tmp_path / "blocks.onnx")
    tensors = {t.name: list(t.dims) for t in load_onnx(tmp_path / "blocks.onnx").graph.initializer}
    weights = [dims for dims in tensors.values() if len(dims) == 4]
    assert weights[0][1] == 4
    assert weights[-1][0] == 16


def test_a_network_that_does_not_end_in_blocks_is_given_frames(tmp_path: Path) -> None:
    path = write_model(tmp_path, "espcn_ycbcr", "fp32")
    write_frames(path, tmp_path / "frames.onnx")
    write_aligned(path, tmp_path / "blocks.onnx")
    assert (tmp_path / "blocks.onnx").read_bytes() == (tmp_path / "frames.onnx").read_bytes()


def test_shared_weights_are_left_alone(tmp_path: Path) -> None:
    """Two convolutions with the same weights, of which only one writes the output."""
    weights = np.random.default_rng(3).normal(0, 0.3, (12, 3, 1, 1)).astype(np.float32)
    back = np.random.default_rng(4).normal(0, 0.3, (3, 12, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["frame", "w"], ["hidden"]),
        helper.make_node("Conv", ["hidden", "back"], ["planes"]),
        helper.make_node("Conv", ["planes", "w"], ["features"]),
        helper.make_node("DepthToSpace", ["features"], ["upscaled"], blocksize=2, mode="CRD"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", "HW"), ("upscaled", ("H2", "W2")))
    ]
    tensors = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(back, "back")]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m"
    )
    write_frames(tmp_path / "m", tmp_path / "frames.onnx")
    write_blocks(tmp_path / "m", tmp_path / "blocks.onnx")
    assert (tmp_path / "blocks.onnx").read_bytes() == (tmp_path / "frames.onnx").read_bytes()


@pytest.mark.parametrize(("precision", "limits"), [("int8", 2), ("uint8", 0)])
def test_the_quantised_network_stays_on_its_levels(tmp_path: Path, precision: str, limits: int) -> None:
    path = write_model(tmp_path, "espcn_rgb", precision)
    write_levels(path, tmp_path / "levels.onnx")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(tmp_path / "levels.onnx", options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in load_onnx(tmp_path / "optimized.onnx").graph.node]
    assert kinds.count("QLinearConv") == 3 and kinds.count("Clip") == limits
    assert not {"Relu", "DequantizeLinear", "Conv"} & set(kinds)


def test_a_convolution_in_float_has_the_rounded_weights(tmp_path: Path) -> None:
    path = write_model(tmp_path, "espcn_anchor", "int8")
    write_levels(path, tmp_path / "levels.onnx")
    graph = load_onnx(tmp_path / "levels.onnx").graph
    names = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    weights = next(value for name, value in names.items() if name == "uint8/rounded/conv3.weight")
    scale = next(
        value for name, value in names.items() if name.endswith("conv3.weight_scale") and len(value) == 16
    )
    levels = weights / scale.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert np.abs(levels).max() == pytest.approx(127)


def test_a_graph_in_float_is_that_of_blocks(tmp_path: Path) -> None:
    path = write_model(tmp_path, "espcn_rgb", "fp32")
    write_aligned(path, tmp_path / "blocks.onnx")
    write_levels(path, tmp_path / "levels.onnx")
    assert (tmp_path / "blocks.onnx").read_bytes() == (tmp_path / "levels.onnx").read_bytes()
