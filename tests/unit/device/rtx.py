"""A real NVIDIA builder that needs no GPU, and what it says of the data types of an engine's convolutions."""

from pathlib import Path

import onnx
import pytest

from superres.device.runtimes.trt.layers import LOG_START, Layer, read_build_log
from superres.models.graphs.onnx_file import kept_float

trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is made for x86-64 Linux and Windows only")

HEIGHT, WIDTH = 32, 48


class _Log(trt.ILogger):
    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.messages: list[str] = []

    def log(self, severity: object, msg: str) -> None:
        self.messages.append(msg)


def build_layers(onnx_path: Path) -> list[Layer]:
    """Build an ahead-of-time engine (Ampere, frames of 32 x 48) of an ONNX file; returns its layers."""
    log = _Log()
    builder = trt.Builder(log)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, log)
    parsed = parser.parse_from_file(str(onnx_path))
    assert parsed, [parser.get_error(i).desc() for i in range(parser.num_errors)]
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM86, 0)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    profile = builder.create_optimization_profile()
    profile.set_shape("frame", *[(1, 3, HEIGHT, WIDTH)] * 3)
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(network, config) is not None, log.messages[-3:]
    return read_build_log(next(message for message in log.messages if message.startswith(LOG_START)))


def convolution_types(onnx_path: Path) -> dict[str, tuple[str, str]]:
    """Return the types of data and weights of the engine's convolutions, by ONNX node."""
    convolutions = [node for node in onnx.load(onnx_path).graph.node if node.op_type == "Conv"]
    layers = [layer for layer in build_layers(onnx_path) if layer.is_convolution]
    found = {}
    for node in convolutions:
        (layer,) = [layer for layer in layers if node.name in layer.nodes]
        data, weights, result = layer.inputs[0], layer.constants[0], layer.outputs[0]
        # Other constants are scales and biases; other inputs are addends.
        # Networks of others don't state it.
        kernel = next((tuple(a.ints) for a in node.attribute if a.name == "kernel_shape"), weights.shape[2:])
        assert weights.shape == (result.shape[1], data.shape[1], *kernel)
        found[node.name] = (data.type, weights.type)
    assert len(layers) == len(convolutions)
    return found


def assert_int8_convolutions(onnx_path: Path) -> None:
    """Build a Q/DQ graph's engine and assert that its convolutions multiply Int8 by Int8.

    Those that the file keeps in float (`kept_float`) must be Float by Float. Each Conv
    node of the file has one convolution of the engine, however layers are fused, padded or reordered.
    """
    model = onnx.load(onnx_path)
    kept = kept_float(model)
    expected = {
        node.name: ("Float", "Float") if node.output[0] in kept else ("Int8", "Int8")
        for node in model.graph.node
        if node.op_type == "Conv"
    }
    assert expected
    found = convolution_types(onnx_path)
    wrong = {name: types for name, types in found.items() if types != expected[name]}
    assert not wrong, f"{onnx_path}: data and weights of {wrong}, expected {expected}"
