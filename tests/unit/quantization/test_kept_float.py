"""The bicubic path of a folded network stays in float while the rest of the network becomes INT8, in every
runtime."""

from pathlib import Path

import onnx
import pytest
import torch

from superres.device.runtimes import onnxruntime, openvino
from superres.device.runtimes.base import Settings
from superres.models.export import export_onnx
from superres.models.networks import build_network
from superres.models.weights import save_weights
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import RandomImages

from .network import calibrate

MODELS = {"espcn_anchor": "espcn_anchor", "espcn_ycbcr_folded": "espcn_ycbcr"}


@pytest.fixture(params=MODELS)
def quantized(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folded model with seeded weights, its last layer far from zero, as INT8 graph next to `fp32.onnx`."""
    torch.manual_seed(3)
    network = build_network(MODELS[request.param])
    with torch.no_grad():
        network.get_parameter("trunk.conv3.weight").add_(torch.randn(4, 48, 3, 3) * 0.02)
    save_weights(network, tmp_path / "w.safetensors")
    export_onnx(request.param, tmp_path / "w.safetensors", tmp_path / "fp32.onnx")
    calibrate(tmp_path / "fp32.onnx", RandomImages("uniform", 0, 1, 32, 48), tmp_path / "ranges.json")
    quantize_onnx(tmp_path / "fp32.onnx", tmp_path / "ranges.json", tmp_path / "int8.onnx")
    return tmp_path / "int8.onnx"


def test_skip_reads_floats_and_the_others_int8(quantized: Path) -> None:
    graph = onnx.load(str(quantized)).graph
    writers = {node.output[0]: node.op_type for node in graph.node}
    inputs = {
        node.input[1].split(".")[0]: (writers[node.input[0]], writers.get(node.input[1], "initializer"))
        for node in graph.node
        if node.op_type == "Conv"
    }
    pair = ("DequantizeLinear", "DequantizeLinear")
    assert inputs == {"conv1": pair, "conv2": pair, "conv3": pair, "skip": ("Pad", "initializer")}


def test_runtimes_execute_them_so(quantized: Path, tmp_path: Path) -> None:
    settings = Settings("int8-dummy", 1, {"frames": "float32"})
    facts = openvino.build(quantized, tmp_path / "openvino.bin", settings)
    assert sum(n for kind, n in facts["convolutions"].items() if kind in ("i8", "u8")) == 3
    assert facts["convolutions"]["f32"] == 1
    facts = onnxruntime.build(quantized, tmp_path / "onnxruntime.bin", settings)
    # onnxruntime needs a QuantizeLinear after an INT8 convolution: the last one has none.
    assert (facts["int8_convolutions"], facts["float_convolutions"]) == (2, 2)
