"""A Q/DQ graph with power-of-two scales in whole numbers alone: integer sums, shifts, and one division by
255.

An oracle, written for what the networks of plain convolutions have. No value of a frame is ever a float.
Rounding is to nearest, half to even, as in ONNX's QuantizeLinear.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

WHITE = 255
_OPERATIONS = {"Clip", "Conv", "DepthToSpace", "DequantizeLinear", "Pad", "Relu", "Sub"}


@dataclass(frozen=True)
class Whole:
    """Whole numbers n, int64, that mean n 2^-bits, with bits of its own for each channel; `levels` are 1/255
    of that."""

    numbers: np.ndarray
    bits: np.ndarray
    levels: bool = False

    def shifted(self, bits: np.ndarray) -> "Whole":
        """The same with other bits."""
        pairs = zip(self.numbers, self.bits - bits, strict=True)
        return replace(self, numbers=np.stack([rounded(n, int(fewer)) for n, fewer in pairs]), bits=bits)

    def uniform(self) -> "Whole":
        """The same with the same bits in all channels, as many as any has: nothing is rounded."""
        return self.shifted(np.full_like(self.bits, self.bits.max()))


def rounded(numbers: np.ndarray, bits: int) -> np.ndarray:
    """n 2^-bits, rounded to nearest, half to even; exact for negative bits."""
    if bits <= 0:
        return numbers << -bits
    # One less than half, and one more for an odd neighbour below: then ties go to the even one.
    return (numbers + ((1 << (bits - 1)) - 1) + ((numbers >> bits) & 1)) >> bits


def divided(numbers: np.ndarray, divisor: int) -> np.ndarray:
    """n / divisor, rounded to nearest, half to even."""
    quotient, rest = np.divmod(numbers, divisor)
    return quotient + ((2 * rest > divisor) | ((2 * rest == divisor) & (quotient % 2 == 1)))


def fraction_bits(scale: np.ndarray, name: str) -> np.ndarray:
    """f of scales 2^-f, a value for each channel or one."""
    mantissas, exponents = np.frexp(scale)
    assert (mantissas == 0.5).all(), f"{name}: expected powers of two, found {scale}"
    return np.atleast_1d(1 - exponents).astype(np.int64)


def run(graph: onnx.ModelProto, frame: np.ndarray, until: str = "upscaled") -> Whole:
    """A tensor of the graph for a uint8 frame H x W x 3; before the clip that a graph ends in."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    for node in graph.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    planes = np.moveaxis(frame, 2, 0).astype(np.int64)
    values = {"frame": Whole(planes, np.zeros(3, np.int64), levels=True)}
    for node in graph.graph.node:
        if node.op_type != "Constant":
            values[node.output[0]] = _apply(node, values, constants)
        if until in node.output:
            return values[until]
    raise AssertionError(f"expected a tensor {until}")


def upscale(graph: onnx.ModelProto, frame: np.ndarray) -> np.ndarray:
    """The upscaled frame, uint8 2H x 2W x 3."""
    found = run(graph, frame)
    levels = rounded(WHITE * found.numbers, int(found.bits[0]))
    return np.moveaxis(np.clip(levels, 0, WHITE), 0, 2).astype(np.uint8)


def exact_levels(graph: onnx.ModelProto, frame: np.ndarray) -> np.ndarray:
    """The same before it is rounded and limited, 3 x 2H x 2W, exact in float64."""
    found = run(graph, frame)
    return WHITE * np.ldexp(found.numbers.astype(np.float64), -found.bits[0])


def convolutions(graph: onnx.ModelProto, frame: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of every convolution, whole numbers."""
    constants = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    found = []
    for node in graph.graph.node:
        if node.op_type == "Conv":
            data, weights = (run(graph, frame, name) for name in node.input[:2])
            found.append((weights.numbers, _bias(constants[node.input[2]], data.bits, weights.bits)))
    return found


def _apply(node: onnx.NodeProto, values: dict[str, Whole], constants: dict[str, np.ndarray]) -> Whole:
    options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    first = values.get(node.input[0])
    if node.op_type == "QuantizeLinear":
        scale, zero = (constants[name] for name in node.input[1:])
        assert not zero.any(), f"{node.name}: expected a zero-point of 0, found {zero}"
        return _quantize(first, constants.get(node.input[0]), fraction_bits(scale, node.name), zero.dtype)
    assert first is not None, f"{node.name}: expected a tensor in whole numbers"
    numbers, kind = first.numbers, node.op_type
    assert kind in _OPERATIONS, f"{node.name}: no form of {kind} in whole numbers"
    if kind == "Conv":
        return _convolve(first, values[node.input[1]], constants[node.input[2]], options)
    if kind == "DepthToSpace":
        return _to_space(first.uniform())
    if kind == "Relu":
        numbers = np.maximum(numbers, 0)
    elif kind in ("Sub", "Pad"):
        # Only of a frame, by whole levels.
        assert first.levels and not first.bits.any()
        steps = round(float(constants[node.input[-1]]) * WHITE)
        if kind == "Sub":
            numbers = numbers - steps
        else:
            _, _, top, left, _, _, bottom, right = constants[node.input[1]]
            numbers = np.pad(numbers, ((0, 0), (top, bottom), (left, right)), constant_values=steps)
    return replace(first, numbers=numbers)


def _to_space(data: Whole) -> Whole:
    channels, height, width = data.numbers.shape
    blocks = data.numbers.reshape(channels // 4, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return Whole(blocks.reshape(channels // 4, 2 * height, 2 * width), data.bits[: channels // 4])


def _quantize(data: Whole | None, constant: np.ndarray | None, bits: np.ndarray, kind: Any) -> Whole:
    limits = np.iinfo(kind)
    if data is None:
        assert constant is not None
        bits = np.broadcast_to(bits, len(constant))
        numbers = np.rint(np.ldexp(constant.astype(np.float64), bits[:, None, None, None])).astype(np.int64)
        return Whole(np.clip(numbers, limits.min, limits.max), bits)
    bits = np.broadcast_to(bits, len(data.numbers))
    if data.levels:
        assert (bits >= data.bits).all()
        numbers = divided(data.numbers << (bits - data.bits)[:, None, None], WHITE)
    else:
        numbers = data.shifted(bits).numbers
    return Whole(np.clip(numbers, limits.min, limits.max), bits)


def _bias(bias: np.ndarray, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.rint(np.ldexp(bias.astype(np.float64), data[0] + weights)).astype(np.int64)


def _convolve(data: Whole, weights: Whole, bias: np.ndarray, options: dict[str, Any]) -> Whole:
    assert options.get("group", 1) == 1 and {1} >= {
        *options.get("strides", [1]),
        *options.get("dilations", [1]),
    }
    top, left, bottom, right = options.get("pads", [0] * 4)
    padded = np.pad(data.numbers, ((0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.numbers.shape[2:], axis=(1, 2))
    # Of whole numbers, einsum makes whole numbers.
    sums = np.einsum("ihwyx,oiyx->ohw", windows, weights.numbers, optimize=True)
    return Whole(sums + _bias(bias, data.bits, weights.bits)[:, None, None], data.bits[0] + weights.bits)
