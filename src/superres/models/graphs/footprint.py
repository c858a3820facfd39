"""What a graph needs of a frame: memory for each pixel, and how far a pixel of the result looks around.

Both decide whether a large frame is cut into tiles (`superres.device.frames.tiles`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, lcm, prod
from pathlib import Path

import numpy as np
import onnx

from superres.models.graphs.onnx_file import attributes, example_size, load_onnx, own_size, read_constants
from superres.models.graphs.shapes import known_shapes

Constants = dict[str, np.ndarray]

REACH_PROPERTY = "superres.reach"
"""Metadata key of an ONNX file: radius and multiple as a JSON list, measured by running the network."""

# Bytes of a value, in any type: runtimes keep copies in layouts of their own and scratch memory for
# convolutions. ESPCN_RGB in PyTorch takes 1.8 times its largest set of living tensors in float32.
_BYTES = 8

# Operators that mix pixels over the whole frame: a tile would give another result.
_GLOBAL = {
    "GlobalAveragePool",
    "GlobalMaxPool",
    "InstanceNormalization",
    "LayerNormalization",
    "GroupNormalization",
    "MatMul",
    "Gemm",
    "Softmax",
    "Attention",
    "DynamicQuantizeLinear",
    "Reshape",
    "Flatten",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceSum",
    "ReduceL2",
    "CumSum",
    "LpNormalization",
    "MeanVarianceNormalization",
    "GridSample",
    "Einsum",
    "LSTM",
    "GRU",
    "RNN",
}


@dataclass(frozen=True)
class Footprint:
    """Need of a graph: `bytes_per_pixel` of the LR frame, and the reach of one pixel of the result.

    `radius` is in LR pixels to each side; None if the result depends on the whole frame. Tiles begin at a
    `multiple` of pixels, so that graphs that work at a smaller size see the same groups of pixels. A network
    of an `own_size` (height, width) takes no other.
    """

    bytes_per_pixel: int
    radius: int | None
    multiple: int
    own_size: tuple[int, int] | None = None


def measure_footprint(path: Path) -> Footprint:
    """Return the footprint of an ONNX file; raises UserError if it is none."""
    model = load_onnx(path)
    measured = next((entry.value for entry in model.metadata_props if entry.key == REACH_PROPERTY), None)
    radius, multiple = find_reach(model) if measured is None else json.loads(measured)
    return Footprint(_bytes_per_pixel(model), radius, multiple, own_size(model))


def _bytes_per_pixel(model: onnx.ModelProto) -> int:
    """Return the most bytes that are in use at a time, for a frame's pixel."""
    height, width = example_size(model)
    shapes = known_shapes(model, (1, 3, height, width))
    constants = {tensor.name for tensor in model.graph.initializer}
    last_read = {name: at for at, node in enumerate(model.graph.node) for name in node.input}
    values = {name: prod(shape) for name, shape in shapes.items() if name not in constants}
    living = {value.name for value in model.graph.input}
    kept = {value.name for value in model.graph.output}
    most = 0
    for at, node in enumerate(model.graph.node):
        living |= set(node.output)
        most = max(most, sum(values.get(name, 0) for name in living))
        living = {name for name in living if last_read.get(name, -1) > at or name in kept}
    return ceil(most * _BYTES / (height * width))


def write_reach(model: onnx.ModelProto, radius: int | None, multiple: int) -> None:
    """Write a measured radius and multiple into a graph, for `measure_footprint`."""
    written = model.metadata_props.add()
    written.key, written.value = REACH_PROPERTY, json.dumps([radius, multiple])


@dataclass(frozen=True)
class _Reach:
    """The reach of a tensor's pixels in LR pixels, and its pixels for each LR pixel in one direction."""

    radius: Fraction
    scale: Fraction

    def wider(self, pixels: Fraction | int, scale: Fraction | int = 1) -> "_Reach":
        """Return the reach after an operator that looks `pixels` of this tensor to each side."""
        return _Reach(self.radius + Fraction(pixels) / self.scale, self.scale * scale)


def scale_of(model: onnx.ModelProto) -> int:
    """Return how many times as wide and high a graph makes a frame; 0 if its operators don't tell."""
    output = model.graph.output[0].name
    height, width = example_size(model)
    shape = known_shapes(model, (1, 3, height, width)).get(output)
    if shape is not None and len(shape) == 4:
        return shape[2] // height
    # Sizes that a graph computes itself, such as those of a crop.
    _, _, reaches = _reaches(model)
    scale = reaches[output].scale if output in reaches else Fraction(0)
    return int(scale) if scale.denominator == 1 else 0


def find_reach(model: onnx.ModelProto) -> tuple[int | None, int]:
    """Return the radius of a graph, or None, and the multiple of pixels that it works in."""
    bounded, smallest, found = _reaches(model)
    radius = max(found[value.name].radius for value in model.graph.output if value.name in found)
    multiple = lcm(*(part.denominator for part in [smallest]))
    return (ceil(ceil(radius) / multiple) * multiple if bounded else None), multiple


def _reaches(model: onnx.ModelProto) -> tuple[bool, Fraction, dict[str, _Reach]]:
    """Return whether no operator mixes the whole frame, the smallest scale, and each tensor's reach."""
    constants = _constants(model)
    found = {value.name: _Reach(Fraction(0), Fraction(1)) for value in model.graph.input}
    smallest, bounded = Fraction(1), True
    for node in model.graph.node:
        reaches = [found[name] for name in node.input if name in found]
        if not reaches or node.op_type in ("Shape", "Size"):
            continue
        widest = max(reaches, key=lambda reach: reach.radius)
        result = _OPERATORS.get(node.op_type, _as_it_is)(node, widest, constants)
        if node.op_type in _GLOBAL or result is None:
            bounded, result = False, widest
        smallest = min(smallest, result.scale)
        found |= dict.fromkeys(node.output, result)
    return bounded, smallest, found


def _constants(model: onnx.ModelProto) -> Constants:
    found = read_constants(model)
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[0] in found:
            # Its shape is that of the weights, which is all that counts here.
            found[node.output[0]] = found[node.input[0]]
    return found


def _as_it_is(node: onnx.NodeProto, reach: _Reach, constants: Constants) -> _Reach:
    return reach


def _convolution(node: onnx.NodeProto, reach: _Reach, constants: Constants) -> _Reach:
    given = attributes(node)
    weights = node.input[3 if node.op_type == "QLinearConv" else 1] if len(node.input) > 1 else ""
    kernel = given.get("kernel_shape") or constants[weights].shape[2:]
    dilations = given.get("dilations") or [1] * len(kernel)
    sides = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
    stride = max(given.get("strides") or [1])
    return reach.wider(
        Fraction(max(sides) + 1, 2) if max(sides) % 2 else max(sides) // 2, Fraction(1, stride)
    )


def _transposed(node: onnx.NodeProto, reach: _Reach, constants: Constants) -> _Reach:
    given = attributes(node)
    kernel = given.get("kernel_shape") or constants[node.input[1]].shape[2:]
    stride = max(given.get("strides") or [1])
    return reach.wider(ceil(Fraction(max(kernel), stride)), stride)


def _block_size(node: onnx.NodeProto) -> int:
    return attributes(node)["blocksize"]


def _resize(node: onnx.NodeProto, reach: _Reach, constants: Constants) -> _Reach | None:
    """Return the reach after a Resize; None unless its scales are constant."""
    scales = next((constants[name] for name in node.input[2:3] if len(constants.get(name, ())) == 4), None)
    if scales is None:
        return None
    factor = Fraction(float(scales[2])).limit_denominator(64)
    support = {b"cubic": 2, b"linear": 1}.get(attributes(node).get("mode", b"nearest"), 1)
    # An antialiased reduction reaches farther, as its kernel is stretched.
    return reach.wider(Fraction(support) / min(factor, 1), factor)


_Operator = Callable[[onnx.NodeProto, _Reach, Constants], _Reach | None]
_OPERATORS: dict[str, _Operator] = {
    "Conv": _convolution,
    "ConvInteger": _convolution,
    "QLinearConv": _convolution,
    "ConvTranspose": _transposed,
    "AveragePool": _convolution,
    "MaxPool": _convolution,
    "Resize": _resize,
    "DepthToSpace": lambda node, reach, _: reach.wider(0, _block_size(node)),
    "SpaceToDepth": lambda node, reach, _: reach.wider(1, Fraction(1, _block_size(node))),
}
