"""From a Q/DQ graph whose scales are powers of two to a network in whole numbers (`superres.device.fixed_point`).

Every tensor becomes whole numbers n. One behind a QuantizeLinear or a convolution of such means n 2^-f, as its scale
says. A frame's n are its levels, so that it and what is computed of it in float means n 2^-f / 255; there constants,
and what a product with one gives, have at most 24 fraction bits (`CONSTANT_BITS`). All else is exact.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.device.fixed_point import INPUT, WHITE, Tables, write_tables
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.whole_numbers import (
    CONSTANT_BITS,
    LIMIT,
    Assembler,
    Constant,
    Tensor,
    doubling_taps,
    steps_of,
    whole,
)

_INT32 = 1 << 31
_PLAIN = {"group": 1, "dilations": [1, 1], "strides": [1, 1], "auto_pad": b"NOTSET"}
"""What a convolution has that is nothing but one."""


def tabulate_onnx(onnx_path: Path, out: Path) -> None:
    """Write a Q/DQ graph as tables of whole numbers; the same graph gives the same bytes.

    Raises UserError for a graph with other than power-of-two scales, and for a node that has no integer form here.
    """
    tables = tabulate_graph(load_onnx(onnx_path), onnx_path)
    with Outputs({"tables": str(out)}) as outputs:
        write_tables(tables, outputs["tables"])


def tabulate_graph(model: onnx.ModelProto, path: Path) -> Tables:
    """The tables of a Q/DQ graph; `path` is where it comes from."""
    return _Tabulation(model.graph, path).tables()


class _Tabulation:
    """Walks a graph once, in its order."""

    def __init__(self, graph: onnx.GraphProto, path: Path):
        self._graph, self._path = graph, path
        self._to = Assembler()
        self._tensors = {INPUT: Tensor(INPUT, np.zeros(3, np.int64), True, WHITE)}
        self._constants: dict[str, np.ndarray] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        self._quantized: dict[str, Constant] = {}

    def tables(self) -> Tables:
        inputs = [value.name for value in self._graph.input if value.name not in self._constants]
        if inputs != [INPUT] or len(self._graph.output) != 1:
            raise UserError(f"{self._path}: expected one input, {INPUT}, and one output, found {inputs}")
        handlers: dict[str, Callable[[onnx.NodeProto], None]] = {
            "Add": self._add, "Clip": self._clip, "Concat": self._concat, "Constant": self._constant,
            "Conv": self._conv, "DepthToSpace": self._depth_to_space, "DequantizeLinear": self._dequantize,
            "Mul": self._mul, "Pad": self._pad, "QuantizeLinear": self._quantize, "Relu": self._relu,
            "Resize": self._resize, "Split": self._split, "Sub": self._subtract,
        }  # fmt: skip
        for node in self._graph.node:
            self._to.where = f"{self._path}: node {node.name or node.output[0]}"
            if node.op_type not in handlers:
                raise self._to.error(f"one of {', '.join(handlers)}", node.op_type)
            handlers[node.op_type](node)
        result = self._to.uniform(self._to.in_levels(self._tensors[self._graph.output[0].name]))
        program = self._to.program
        if not program or result.name != program[-1].output:
            raise UserError(f"{self._path}: expected a graph whose last node makes its output, found others")
        return Tables(program, int(result.bits[0]))

    def _tensor(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise self._to.error("a computed tensor", f"the constant {name}")
        return self._tensors[name]

    def _value(self, name: str) -> np.ndarray:
        if name not in self._constants:
            raise self._to.error("a constant", f"the computed tensor {name or 'nothing'}")
        return self._constants[name]

    def _give(self, node: onnx.NodeProto, tensor: Tensor) -> None:
        self._tensors[node.output[0]] = tensor

    # Grids

    def _grid(self, node: onnx.NodeProto) -> tuple[np.ndarray, type]:
        """Fraction bits of a QuantizeLinear's or DequantizeLinear's scale, and its integer type."""
        scale = self._value(node.input[1]).astype(np.float64)
        zero = self._value(node.input[2])
        mantissas, exponents = np.frexp(scale)
        if not (mantissas == 0.5).all():
            raise self._to.error(
                "powers of two as scales (the step pow2 or pow2search, last in a recipe, makes them)",
                f"{node.input[1]} = {scale.ravel()[0]:.6g}",
            )
        if zero.any() or zero.dtype not in (np.int8, np.uint8):
            raise self._to.error("int8 or uint8 with zero-point 0", f"{zero.dtype}, {zero.ravel()[0]}")
        if scale.ndim and _attributes(node).get("axis") != 0:
            raise self._to.error("scales along axis 0", f"axis {_attributes(node).get('axis', 1)}")
        return 1 - exponents.astype(np.int64), zero.dtype.type

    def _quantize(self, node: onnx.NodeProto) -> None:
        bits, kind = self._grid(node)
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
        if node.input[0] in self._constants:
            values = self._constants[node.input[0]].astype(np.float64)
            along = bits.reshape(-1, *[1] * (values.ndim - 1)) if bits.ndim else bits
            steps = np.clip(np.rint(np.ldexp(values, along)), low, high).astype(np.int64)
            self._quantized[node.output[0]] = Constant(steps, bits)
            return
        source = self._tensor(node.input[0])
        if bits.ndim:
            raise self._to.error("one scale for a computed tensor", f"{bits.size}")
        result = replace(source, bits=np.full_like(source.bits, bits), levels=False, bound=max(-low, high))
        if not source.levels:
            limits = {"bits": source.bits - bits, "low": low, "high": high}
            self._to.require_shift(source, limits["bits"])
            self._give(node, self._to.emit("shift", [source], result, **limits))
            return
        source = self._to.uniform(source)
        fewer = int(source.bits[0] - bits)
        left, divisor = max(-fewer, 0), WHITE << max(fewer, 0)
        self._to.require(max(source.bound << left, divisor))
        self._give(
            node, self._to.emit("divide", [source], result, left=left, divisor=divisor, low=low, high=high)
        )

    def _dequantize(self, node: onnx.NodeProto) -> None:
        bits, _ = self._grid(node)
        given = node.input[0]
        found = self._quantized[given].bits if given in self._quantized else self._tensor(given).bits
        if not (found == bits).all():
            raise self._to.error("the scale of the QuantizeLinear before it", node.input[1])
        if given in self._quantized:
            self._quantized[node.output[0]] = self._quantized[given]
        else:
            self._give(node, self._tensor(given))

    # Convolutions

    def _conv(self, node: onnx.NodeProto) -> None:
        attributes = {**_PLAIN, **_attributes(node)}
        if odd := {name: attributes[name] for name, value in _PLAIN.items() if attributes[name] != value}:
            raise self._to.error("a plain convolution", odd)
        data = self._to.uniform(self._tensor(node.input[0]))
        weights = self._weights(node.input[1])
        bits = weights.bits + data.bits[0]
        bits = np.broadcast_to(bits, len(weights.values)).astype(np.int64)
        bias = self._bias(node, bits, data)
        sums = np.abs(weights.values).sum(axis=(1, 2, 3)) * data.bound + np.abs(bias)
        bound = max(map(int, sums))
        kind = np.int32 if bound < _INT32 else np.int64
        pads = [int(value) for value in attributes.get("pads", [0, 0, 0, 0])]
        result = Tensor("", bits, data.levels, bound)
        arrays = {"weights": weights.values.astype(kind), "bias": bias.astype(kind)}
        result = self._to.emit("convolve", [data], result, **arrays, pads=pads)
        self._give(node, self._to.trimmed(result) if data.levels else result)

    def _weights(self, name: str) -> Constant:
        if name in self._quantized:
            return self._quantized[name]
        values = self._value(name).astype(np.float64)
        if values.ndim != 4:
            raise self._to.error("weights of a convolution over rows and columns", values.shape)
        steps, bits = whole(values)
        return Constant(steps, np.array(bits))

    def _bias(self, node: onnx.NodeProto, bits: np.ndarray, data: Tensor) -> np.ndarray:
        """In steps of the sums; a bias that is no whole number of them, as bias correction leaves it, is rounded."""
        if len(node.input) < 3:
            return np.zeros(len(bits), np.int64)
        steps = np.ldexp(self._value(node.input[2]).astype(np.float64) * (WHITE if data.levels else 1), bits)
        if not (np.abs(steps) < LIMIT).all():
            raise self._to.error("a bias that 62 bits hold", node.input[2])
        return np.rint(steps).astype(np.int64)

    def _pad(self, node: onnx.NodeProto) -> None:
        data = self._to.uniform(self._tensor(node.input[0]))
        mode = _attributes(node).get("mode", b"constant")
        widths = self._value(node.input[1]).astype(int).tolist()
        if mode not in (b"edge", b"constant") or len(widths) != 8 or any(widths[i] for i in (0, 1, 4, 5)):
            raise self._to.error("a padding of rows and columns, constant or edge", f"{mode} {widths}")
        value, bound = None, data.bound
        if mode == b"constant":
            given = self._value(node.input[2]).item() if len(node.input) > 2 and node.input[2] else 0.0
            value = steps_of(given, data)
            bound = max(bound, abs(value))
        pads = [widths[i] for i in (2, 3, 6, 7)]
        self._give(node, self._to.emit("pad", [data], replace(data, bound=bound), pads=pads, value=value))

    # Arithmetic

    def _relu(self, node: onnx.NodeProto) -> None:
        data = self._tensor(node.input[0])
        self._give(node, self._to.emit("limit", [data], data, low=0))

    def _clip(self, node: onnx.NodeProto) -> None:
        data = self._to.uniform(self._tensor(node.input[0]))
        low, high = (steps_of(self._value(name).item(), data) for name in node.input[1:3])
        bound = max(abs(low), abs(high))
        self._give(node, self._to.emit("limit", [data], replace(data, bound=bound), low=low, high=high))

    def _add(self, node: onnx.NodeProto) -> None:
        self._give(node, self._sum("add", 1, *node.input))

    def _subtract(self, node: onnx.NodeProto) -> None:
        self._give(node, self._sum("subtract", -1, *node.input))

    def _sum(self, operation: str, sign: int, first: str, second: str) -> Tensor:
        if second in self._constants or (sign > 0 and first in self._constants):
            data, constant = (first, second) if second in self._constants else (second, first)
            return self._offset(self._tensor(data), sign * self._scalar(constant))
        one, other = self._to.alike(self._tensor(first), self._tensor(second))
        if one.channels != other.channels:
            raise self._to.error("tensors of as many channels", f"{one.channels} and {other.channels}")
        return self._to.emit(operation, [one, other], replace(one, bound=one.bound + other.bound))

    def _offset(self, data: Tensor, value: float) -> Tensor:
        data = self._to.shifted(data, np.full_like(data.bits, max(int(data.bits.max()), CONSTANT_BITS)))
        by = steps_of(value, data)
        return self._to.emit("offset", [data], replace(data, bound=data.bound + abs(by)), by=by)

    def _mul(self, node: onnx.NodeProto) -> None:
        first, second = node.input
        data, constant = (first, second) if second in self._constants else (second, first)
        source = self._to.trimmed(self._tensor(data))
        steps, bits = whole(np.array(self._scalar(constant)))
        by = int(steps)
        product = replace(source, bits=source.bits + bits, bound=source.bound * max(abs(by), 1))
        self._give(node, self._to.trimmed(self._to.emit("multiply", [source], product, by=by)))

    def _scalar(self, name: str) -> float:
        value = self._value(name)
        if value.size != 1:
            raise self._to.error("one number", f"{name} of shape {value.shape}")
        return float(value.item())

    # Places

    def _constant(self, node: onnx.NodeProto) -> None:
        self._constants[node.output[0]] = numpy_helper.to_array(_attributes(node)["value"])

    def _split(self, node: onnx.NodeProto) -> None:
        data = self._tensor(node.input[0])
        if _attributes(node).get("axis", 0) != 1:
            raise self._to.error("a split of channels", f"axis {_attributes(node).get('axis', 0)}")
        ends = np.cumsum(self._value(node.input[1])).tolist()
        for first, end, name in zip([0, *ends], ends, node.output, strict=False):
            part = replace(data, bits=data.bits[first:end])
            self._tensors[name] = self._to.emit("take", [data], part, first=first, end=end)

    def _concat(self, node: onnx.NodeProto) -> None:
        if _attributes(node)["axis"] != 1:
            raise self._to.error("channels to be joined", f"axis {_attributes(node)['axis']}")
        parts = self._to.alike(*(self._tensor(name) for name in node.input))
        bits = np.concatenate([part.bits for part in parts])
        bound = max(part.bound for part in parts)
        self._give(node, self._to.emit("join", parts, replace(parts[0], bits=bits, bound=bound)))

    def _depth_to_space(self, node: onnx.NodeProto) -> None:
        found = _attributes(node)
        if found != {"blocksize": 2, "mode": b"CRD"}:
            raise self._to.error("blocks of 2 x 2 in CRD order", found)
        data = self._to.uniform(self._tensor(node.input[0]))
        self._give(node, self._to.emit("depth_to_space", [data], replace(data, bits=data.bits[::4].copy())))

    def _resize(self, node: onnx.NodeProto) -> None:
        data = self._to.uniform(self._tensor(node.input[0]))
        scales = self._value(node.input[2]).tolist() if len(node.input) == 3 and node.input[2] else None
        weights = doubling_taps(_attributes(node))
        if scales != [1, 1, 2, 2] or weights is None:
            raise self._to.error("a doubling, cubic, linear or nearest", f"{scales}, {_attributes(node)}")
        taps, bits = whole(weights)
        gain = int(np.abs(taps).sum(axis=1).max()) ** 2
        result = replace(data, bits=data.bits + 2 * bits, bound=data.bound * gain)
        self._give(node, self._to.trimmed(self._to.emit("double", [data], result, taps=taps)))


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
