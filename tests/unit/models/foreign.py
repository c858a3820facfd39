"""Foreign networks for tests: small super-resolution graphs as others export them, and what they compute.

Each network enlarges by bilinear interpolation, which comes close to a photograph, with a little of a random
convolution in it, so that a wrong reading shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8, HALF = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.FLOAT16


def bilinear_kernels(scale: int, channels: int, noise: float = 0.01) -> np.ndarray:
    """Return weights (channels s s) x channels x 3 x 3, CRD order, that enlarge each channel by itself."""
    random = np.random.default_rng(scale + channels)
    weights = random.standard_normal((channels, scale, scale, channels, 3, 3)) * noise / channels
    for i in range(scale):
        for j in range(scale):
            taps = []
            for place in (i, j):
                centre = (place + 0.5) / scale - 0.5
                taps.append(np.maximum(0, 1 - np.abs(np.arange(-1, 2) - centre)))
            for channel in range(channels):
                weights[channel, i, j, channel] += np.outer(*taps)
    return weights.reshape(channels * scale**2, channels, 3, 3).astype(np.float32)


@dataclass
class Builder:
    """Collects nodes and constants of a graph."""

    opset: int = 17

    def __post_init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def store(self, name: str, value: npt.ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def write(self, path: Path, given: Sequence[Any], gives: Sequence[Any], kinds=(FLOAT, FLOAT)) -> Path:
        """Write the graph from `image` to `result`, with these dimensions and element types."""
        ends = [
            helper.make_tensor_value_info(name, kind, list(dims))
            for name, kind, dims in zip(("image", "result"), kinds, (given, gives), strict=True)
        ]
        graph = helper.make_graph(self.nodes, "foreign", ends[:1], ends[1:], self.constants)
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.example.unused", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.save(model, path)
        return path


Write = Callable[[Path], Path]


def rgb(path: Path) -> Path:
    """RGB in 0..255, x2."""
    graph = Builder()
    # A level and a half of bias, which is no picture in any other range.
    bias = graph.store("b", np.full(12, 1.5, np.float32))
    x = graph.add("Conv", ["image", graph.store("w", bilinear_kernels(2, 3)), bias], "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def bgr(path: Path) -> Path:
    """BGR in 0..1, x2: its channels differ, so that the order shows."""
    graph = Builder()
    # A constant tint by channel, as a network for BGR learns one.
    bias = np.repeat(np.array([-0.02, 0.0, 0.02], np.float32), 4)
    inputs = [
        "image",
        graph.store("w", bilinear_kernels(2, 3)),
        graph.store("b", bias),
    ]
    x = graph.add("Conv", inputs, "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def luma_fixed(path: Path) -> Path:
    """Luma, x2, opset 11, a fixed size, and pixel shuffle by reshapes, as older exporters wrote it."""
    graph = Builder(opset=11)
    x = graph.add("Conv", ["image", graph.store("w", bilinear_kernels(2, 1))], "blocks", pads=[1] * 4)
    x = graph.add("Reshape", [x, graph.store("six", np.array([1, 1, 2, 2, 48, 64]))], "split")
    x = graph.add("Transpose", [x], "moved", perm=[0, 1, 4, 2, 5, 3])
    graph.add("Reshape", [x, graph.store("four", np.array([1, 1, 96, 128]))], "result")
    return graph.write(path, [1, 1, 48, 64], [1, 1, 96, 128])


def nhwc_bytes(path: Path) -> Path:
    """Pixels with their channels last, in 0..255 as float32."""
    graph = Builder()
    x = graph.add("Transpose", ["image"], "planes", perm=[0, 3, 1, 2])
    x = graph.add("Conv", [x, graph.store("w", bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    bias = graph.store("offset", np.full((1, 12, 1, 1), 1.5, np.float32))
    x = graph.add("DepthToSpace", [graph.add("Add", [x, bias], "shifted")], "large", blocksize=2, mode="CRD")
    graph.add("Transpose", [x], "result", perm=[0, 2, 3, 1])
    return graph.write(path, [1, "h", "w", 3], [1, "a", "b", 3])


def uint8_ends(path: Path) -> Path:
    """uint8 in and out."""
    graph = Builder()
    x = graph.add("Cast", ["image"], "floats", to=FLOAT)
    x = graph.add("Conv", [x, graph.store("w", bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    x = graph.add("DepthToSpace", [x], "large", blocksize=2, mode="CRD")
    limits = [graph.store("low", np.float32(0)), graph.store("high", np.float32(255))]
    x = graph.add("Clip", [graph.add("Round", [x], "rounded"), *limits], "limited")
    graph.add("Cast", [x], "result", to=UINT8)
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"], (UINT8, UINT8))


def transposed_luma(path: Path) -> Path:
    """Luma by a transposed convolution with stride 2, kernel 4, padding 1: bilinear."""
    graph = Builder()
    taps = np.array([0.25, 0.75, 0.75, 0.25])
    weights = np.outer(taps, taps)[None, None].astype(np.float32)
    inputs = ["image", graph.store("w", weights), graph.store("b", np.array([0.01], np.float32))]
    graph.add("ConvTranspose", inputs, "result", strides=[2, 2], pads=[1] * 4)
    return graph.write(path, [1, 1, "h", "w"], [1, 1, "a", "b"])


def normalised(path: Path) -> Path:
    """RGB in -1..1 with PRelu and batch normalisation."""
    graph = Builder()
    identity = np.zeros((3, 3, 3, 3), np.float32)
    identity[range(3), range(3), 1, 1] = 1
    x = graph.add("Conv", ["image", graph.store("first", identity)], "first_out", pads=[1] * 4)
    statistics = [
        graph.store(name, np.full(3, value, np.float32))
        for name, value in (("gain", 2.0), ("beta", 0.0), ("mean", 0.0), ("variance", 4.0))
    ]
    x = graph.add("BatchNormalization", [x, *statistics], "normal", epsilon=0.0)
    slope = graph.store("slope", np.full((3, 1, 1), 1.0, np.float32))
    x = graph.add("PRelu", [x, slope], "active")
    x = graph.add("Conv", [x, graph.store("w", bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def upsampled(path: Path) -> Path:
    """Opset 9: a linear Upsample, which begins at the first pixel, and a little of a convolution of it."""
    graph = Builder(opset=9)
    factors = graph.store("factors", np.array([1, 1, 2, 2], np.float32))
    x = graph.add("Upsample", ["image", factors], "large", mode="linear")
    identity = np.zeros((3, 3, 3, 3), np.float32)
    identity[range(3), range(3), 1, 1] = 1
    graph.add("Conv", [x, graph.store("w", identity)], "result", pads=[1] * 4)
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def levels_of_floats(path: Path) -> Path:
    """Floats in 0..1 to levels of 8 bits, x2."""
    graph = Builder()
    x = graph.add("Conv", ["image", graph.store("w", bilinear_kernels(2, 3))], "blocks", pads=[1] * 4)
    x = graph.add("DepthToSpace", [x], "large", blocksize=2, mode="CRD")
    x = graph.add(
        "Round", [graph.add("Mul", [x, graph.store("white", np.float32(255))], "levels")], "rounded"
    )
    limits = [graph.store(name, np.float32(value)) for name, value in (("low", 0), ("high", 255))]
    graph.add("Cast", [graph.add("Clip", [x, *limits], "limited")], "result", to=UINT8)
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"], (FLOAT, UINT8))


def brighter_range(path: Path) -> Path:
    """0..1 to 0..255, x2."""
    graph = Builder()
    weights = graph.store("w", 255 * bilinear_kernels(2, 3))
    x = graph.add("Conv", ["image", weights], "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def paler(path: Path) -> Path:
    """YCbCr in 0..1, x2, with less colour: no picture if it is fed with RGB."""
    graph = Builder()
    weights, bias = bilinear_kernels(2, 3), np.zeros(12, np.float32)
    weights[4:] *= 0.75
    bias[4:] = 0.125
    inputs = ["image", graph.store("w", weights), graph.store("b", bias)]
    x = graph.add("Conv", inputs, "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def halves(path: Path) -> Path:
    """float16 weights and ends."""
    graph = Builder()
    weights = graph.store("w", bilinear_kernels(2, 3).astype(np.float16))
    x = graph.add("Conv", ["image", weights], "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"], (HALF, HALF))


def denoiser(path: Path) -> Path:
    """RGB, x1: takes the mean of three pixels by three from a picture's fine part, as denoisers do."""
    graph = Builder()
    mean = np.zeros((3, 3, 3, 3), np.float32)
    mean[range(3), range(3)] = 1 / 9
    x = graph.add("Conv", ["image", graph.store("w", mean)], "smooth", pads=[1] * 4)
    half = graph.store("half", np.float32(0.5))
    x = graph.add("Mul", [graph.add("Sub", ["image", x], "fine"), half], "noise")
    graph.add("Sub", ["image", x], "result")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "h", "w"])


def unshuffled_x4(path: Path) -> Path:
    """RGB at half the size inside, x4: sides must be even."""
    graph = Builder()
    x = graph.add("SpaceToDepth", ["image"], "small", blocksize=2)
    back = graph.add("DepthToSpace", [x], "whole", blocksize=2)
    x = graph.add("Conv", [back, graph.store("w", bilinear_kernels(4, 3))], "blocks", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=4, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])
