"""Multiply-adds of a network's layers, in INT8 and in float, from its ONNX file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superres.models.graphs.layer_counts import count_layers, float_shares
from superres.models.graphs.onnx_file import load_onnx
from superres.models.graphs.overflow import overflowing


@dataclass(frozen=True)
class Operations:
    """Convolutions of a graph, and the multiply-adds of all its layers per pixel of the LR frame.

    A convolution is quantised if both its data and its weights come from a DequantizeLinear. It is unaligned
    if its channels, in or out, aren't multiples of 16: INT8 kernels work on 16 or 32 at a time.
    `float_layers` are those that aren't quantised, with their share of the multiply-adds, the largest first.
    `overflowing` ones need more than 16 bits for a pair of products (`superres.models.graphs.overflow`).
    """

    convolutions: int
    quantized_convolutions: int
    macs_per_pixel: float
    quantized_macs_per_pixel: float
    unaligned_macs_per_pixel: float = 0.0
    float_layers: tuple[tuple[str, float], ...] = ()
    overflowing: int = 0

    @property
    def float_macs_per_pixel(self) -> float:
        """Multiply-adds that stay in float."""
        return self.macs_per_pixel - self.quantized_macs_per_pixel


def count_operations(path: Path) -> Operations:
    """Count the layers of an ONNX file; raises UserError if a convolution's shape can't be inferred."""
    model = load_onnx(path)
    layers = count_layers(model, path)
    convolutions = [layer for layer in layers if layer.is_convolution]
    return Operations(
        len(convolutions),
        sum(layer.quantized for layer in convolutions),
        sum(layer.macs for layer in layers),
        sum(layer.macs for layer in layers if layer.quantized),
        sum(layer.macs for layer in layers if not layer.aligned),
        tuple(float_shares(layers)),
        len(overflowing(model)),
    )


def macs_by_name(path: Path) -> dict[str, float]:
    """Return each layer's multiply-adds per LR pixel, by every name that a runtime may use for it.

    These are the names of the node and its result, and those of an activation function after it.
    """
    return {name: layer.macs for layer in count_layers(load_onnx(path), path) for name in layer.names}


def executed_convolutions(facts: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the numbers of INT8 convolutions and of all, from an engine's record; None if it is unknown."""
    if types := facts.get("convolutions"):
        int8 = sum(types.get(name, 0) for name in ("i8", "u8", "Int8", "UInt8"))
        return None if types.get("unknown") else int8, sum(types.values())
    if "int8_convolutions" in facts:
        return facts["int8_convolutions"], facts["int8_convolutions"] + facts["float_convolutions"]
    return None, None
