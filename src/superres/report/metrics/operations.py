"""Multiply-adds of a network's convolutions, in INT8 and in float, from its ONNX file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import onnx

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import example_size, known_shapes, load_onnx

_ALIGNED = 16


@dataclass(frozen=True)
class Operations:
    """Convolutions of a graph and their multiply-adds per pixel of the LR frame.

    A convolution is quantised if both its data and its weights come from a DequantizeLinear. It is unaligned
    if its channels, in or out, aren't multiples of 16: INT8 kernels work on 16 or 32 at a time.
    """

    convolutions: int
    quantized_convolutions: int
    macs_per_pixel: float
    quantized_macs_per_pixel: float
    unaligned_macs_per_pixel: float = 0.0

    @property
    def float_macs_per_pixel(self) -> float:
        """Multiply-adds that stay in float."""
        return self.macs_per_pixel - self.quantized_macs_per_pixel


def count_operations(path: Path) -> Operations:
    """Count the convolutions of an ONNX file; raises UserError if a shape can't be inferred."""
    model = load_onnx(path)
    dequantized = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    macs = {False: 0.0, True: 0.0}
    counts = {False: 0, True: 0}
    unaligned = 0.0
    for node, channels, count in _convolutions(model, path):
        quantized = {node.input[0], node.input[1]} <= dequantized
        counts[quantized] += 1
        macs[quantized] += count
        unaligned += count * any(each % _ALIGNED for each in channels)
    return Operations(sum(counts.values()), counts[True], sum(macs.values()), macs[True], unaligned)


def macs_by_name(path: Path) -> dict[str, float]:
    """Return each convolution's multiply-adds per LR pixel, by every name that a runtime may use for it.

    These are the names of the node and its result, and those of a ReLU after it and its result.
    """
    model = load_onnx(path)
    relus = {node.input[0]: node for node in model.graph.node if node.op_type == "Relu"}
    found = {}
    for node, _, count in _convolutions(model, path):
        names = [node.name, node.output[0]]
        if (relu := relus.get(node.output[0])) is not None:
            names += [relu.name, relu.output[0]]
        found |= dict.fromkeys(filter(None, names), count)
    return found


def _convolutions(
    model: onnx.ModelProto, path: Path
) -> Iterator[tuple[onnx.NodeProto, tuple[int, int], float]]:
    """Yield every convolution, its channels out and in (of a group), and its multiply-adds per LR pixel."""
    height, width = example_size(model)
    shapes = known_shapes(model, (1, 3, height, width))
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        weights, result = shapes.get(node.input[1]), shapes.get(node.output[0])
        if weights is None or result is None:
            raise UserError(f"{path}: expected shapes around {node.output[0]}, found none; export it again")
        # Each position of the result multiplies by all weights, with any number of groups.
        yield node, (weights[0], weights[1]), prod(weights) * prod(result[2:]) / (height * width)


def executed_convolutions(facts: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the numbers of INT8 convolutions and of all, from an engine's record; None if it is unknown."""
    if types := facts.get("convolutions"):
        int8 = sum(types.get(name, 0) for name in ("i8", "u8", "Int8", "UInt8"))
        return None if types.get("unknown") else int8, sum(types.values())
    if "int8_convolutions" in facts:
        return facts["int8_convolutions"], facts["int8_convolutions"] + facts["float_convolutions"]
    return None, None
