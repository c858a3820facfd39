"""The multiply-adds of a graph's layers, and which of them are quantised."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import (
    ACTIVATIONS,
    attributes,
    example_size,
    find_layers,
    kept_float,
    name_layers,
)
from superres.models.graphs.shapes import known_shapes

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
_MATRICES = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3}
_IN_INTEGERS = ("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul")
_ALIGNED = 16


@dataclass(frozen=True)
class LayerCount:
    """A convolution or product of matrices, and its multiply-adds per pixel of the LR frame.

    It is `quantized` if both its data and its weights come from a DequantizeLinear, or are whole numbers. It
    is `aligned` if its channels, in and out, are multiples of 16: INT8 kernels work on 16 or 32 at a time.
    `names` are all that a runtime may call it by, `why_float` says why it isn't quantised.
    """

    layer: str
    operator: str
    quantized: bool
    aligned: bool
    macs: float
    names: tuple[str, ...]
    why_float: str = ""

    @property
    def is_convolution(self) -> bool:
        """Whether it is no product of matrices."""
        return self.operator in _CONVOLUTIONS


def count_layers(model: onnx.ModelProto, path: Path) -> list[LayerCount]:
    """Return the layers of a graph in its order; `path` is its file, for messages.

    Products of matrices whose shapes can't be inferred are left out. Raises UserError if those of a
    convolution can't.
    """
    shapes = known_shapes(model, (1, 3, *example_size(model)))
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    names, reasons = _names_of(model), _Reasons(model)
    found = []
    for node, macs, channels in _counted(model, shapes, path):
        quantized = node.op_type in _IN_INTEGERS or {*node.input[:2]} <= dequantized
        found.append(
            LayerCount(
                names[node.output[0]],
                node.op_type,
                quantized,
                not any(each % _ALIGNED for each in channels),
                macs,
                _called(model, node),
                "" if quantized else reasons.of(node),
            )
        )
    return found


def float_shares(layers: Sequence[LayerCount]) -> list[tuple[str, float]]:
    """Return the layers that stay in float with their share of all multiply-adds, the largest first."""
    total = sum(layer.macs for layer in layers)
    shares = [(layer.layer, layer.macs / total) for layer in layers if not layer.quantized and total]
    return sorted(shares, key=lambda share: -share[1])


def _counted(
    model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]], path: Path
) -> Iterator[tuple[onnx.NodeProto, float, tuple[int, ...]]]:
    """Yield each layer's node, its multiply-adds per LR pixel, and its channels out and in (of a group)."""
    height, width = example_size(model)
    for node in model.graph.node:
        if node.op_type in _CONVOLUTIONS:
            weights = shapes.get(node.input[_CONVOLUTIONS[node.op_type]])
            # Each position multiplies by all weights, with any number of groups.
            places = shapes.get(node.input[0] if node.op_type == "ConvTranspose" else node.output[0])
            if weights is None or places is None:
                raise UserError(
                    f"{path}: expected shapes around {node.output[0]}, found none; export it again"
                )
            yield node, prod(weights) * prod(places[2:]) / (height * width), weights[:2]
        elif node.op_type in _MATRICES:
            data, result = shapes.get(node.input[0]), shapes.get(node.output[0])
            if data is not None and result is not None:
                common = data[0] if attributes(node).get("transA", 0) else data[-1]
                yield node, prod(result) * common / (height * width), (result[-1], common)


def _names_of(model: onnx.ModelProto) -> dict[str, str]:
    """Return the name of each layer by its result: that in `find_layers`, or one of the same kind."""
    found = {layer.result: layer for layer in find_layers(model)}
    pairs = {result: _weights(layer.weights) for result, layer in found.items()}
    known = dict(zip(pairs, name_layers([(name, result) for result, name in pairs.items()]), strict=True))
    for node in model.graph.node:
        place = {**_CONVOLUTIONS, **_MATRICES}.get(node.op_type)
        if place is not None and node.output[0] not in known:
            (known[node.output[0]],) = name_layers([(_weights(node.input[place]), node.output[0])])
    return known


def _weights(name: str) -> str:
    """Return the name of the weights behind a Q/DQ pair of this package."""
    return name.removesuffix("_dequantized")


def _called(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[str, ...]:
    """Return the names of a node and its result, and those of an activation function after it."""
    names = [node.name, node.output[0]]
    for after in model.graph.node:
        if after.op_type in ACTIVATIONS and after.input[0] == node.output[0]:
            names += [after.name, after.output[0]]
    return tuple(filter(None, names))


class _Reasons:
    """Why layers of a graph aren't quantised."""

    def __init__(self, model: onnx.ModelProto):
        self._kept = set(kept_float(model))
        self._constants = {tensor.name for tensor in model.graph.initializer}

    def of(self, node: onnx.NodeProto) -> str:
        """Return the reason of one layer."""
        if node.output[0] in self._kept:
            return "it carries the picture itself"
        if node.op_type == "ConvTranspose":
            return "INT8 kernels of transposed convolutions are slow or wrong"
        if node.op_type in _MATRICES and node.input[1] not in self._constants:
            return "both of its inputs depend on the picture"
        return "the study or a step keeps it in float"
