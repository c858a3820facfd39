"""What a reader wants to see of an ONNX graph: its operators, and the tensors between them.

Constants and weights become words of the operator that reads them, Q/DQ pairs marks on the edge.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import onnx
from onnx import helper

from superres.models.graphs.onnx_file import load_onnx
from superres.models.graphs.operator_words import END, Constants, describe, group_of
from superres.models.graphs.shapes import known_tensors

# No count of channels: it can be told from a height, and divided by every usual factor.
_SIDE = 5040
_LEAST_PART = Fraction(1, 16)
_MOST_PIXELS = 32 * 32


@dataclass(frozen=True)
class Box:
    """An operator, an input or an output: its name, what else is said of it, and its group."""

    title: str
    details: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Arrow:
    """A tensor from one box to another, by their numbers: its name, shape and type, and Q/DQ pairs on it."""

    source: int
    target: int
    tensor: str
    text: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outline:
    """A graph's boxes in topological order, its arrows, and its repeated blocks: their boxes and how often.

    Only the first of a block's repetitions is among the boxes (`superres.models.graphs.repeats`).
    """

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    repeats: dict[frozenset[int], int] = field(default_factory=dict)


def outline_graph(path: Path) -> Outline:
    """Return the outline of an ONNX file; raises UserError if it is none."""
    return _Reader(load_onnx(path)).outline()


class _Reader:
    """A graph while its outline is made."""

    def __init__(self, model: onnx.ModelProto):
        self.graph = model.graph
        self.writers = {name: node for node in self.graph.node for name in node.output if name}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in _reads(node):
                self.readers[name].append(node)
        self.constants = Constants(self.graph, self.writers)
        try:
            self.tensors = known_tensors(model, (1, 3, _SIDE, _SIDE))
        except onnx.shape_inference.InferenceError:
            self.tensors = {}
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.box_of: dict[str, int] = {}

    def outline(self) -> Outline:
        """Return the boxes and arrows."""
        weights = {tensor.name for tensor in self.graph.initializer}
        for value in self.graph.input:
            if value.name not in weights:
                self._add(Box(value.name, ("input",), END), [], [value.name])
        drawn = [node for node in self.graph.node if not self._is_hidden(node)]
        beside = _beside_convolutions(drawn)
        for node in drawn:
            planes = self._planes(node.output[0])
            group = group_of(node.op_type, beside=id(node) in beside, planes=planes)
            box = Box(*describe(node, self.constants), group)
            self._add(box, [name for name in _reads(node) if name not in self.constants], list(node.output))
        for value in self.graph.output:
            self._add(Box(value.name, ("output",), END), [value.name], [])
        return Outline(tuple(self.boxes), tuple(self.arrows))

    def _add(self, box: Box, reads: Sequence[str], writes: Sequence[str]) -> None:
        number = len(self.boxes)
        self.boxes.append(box)
        self.box_of.update(dict.fromkeys(writes, number))
        for name in dict.fromkeys(reads):
            tensor, marks = self._quantized_from(name)
            if tensor in self.box_of:
                self.arrows.append(Arrow(self.box_of[tensor], number, tensor, self._text(tensor), marks))

    def _is_hidden(self, node: onnx.NodeProto) -> bool:
        """Return whether a node gives a constant, or belongs to a Q/DQ pair."""
        if all(name in self.constants for name in node.output):
            return True
        if node.op_type == "DequantizeLinear":
            return self._pair(node) is not None
        return node.op_type == "QuantizeLinear" and self._always_dequantized(node.output[0])

    def _always_dequantized(self, name: str) -> bool:
        readers = {node.op_type for node in self.readers[name]}
        return readers == {"DequantizeLinear"} and all(name != value.name for value in self.graph.output)

    def _pair(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return the QuantizeLinear before a DequantizeLinear, if all that it gives is dequantised."""
        before = self.writers.get(node.input[0])
        if before is None or before.op_type != "QuantizeLinear":
            return None
        return before if self._always_dequantized(before.output[0]) else None

    def _quantized_from(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return the tensor before the Q/DQ pairs that lead to another, and the words of those pairs."""
        marks: tuple[str, ...] = ()
        while (node := self.writers.get(name)) is not None and node.op_type == "DequantizeLinear":
            before = self._pair(node)
            if before is None:
                break
            name, marks = before.input[0], (self.constants.grid(before), *marks)
        return name, marks

    def _planes(self, name: str) -> int:
        """Return the channels of a picture; 0 if they are unknown."""
        shape, _ = self.tensors.get(name, ((), 0))
        return shape[1] if len(shape) == 4 else 0

    def _text(self, name: str) -> str:
        """Return shape and type of a tensor, such as `3 x 2H x 2W float32`."""
        shape, kind = self.tensors.get(name, ((), 0))
        words = helper.tensor_dtype_to_np_dtype(kind).name if kind else ""
        return f"{'×'.join(_sizes(shape))} {words}".strip()


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield what a node reads, also in its subgraphs."""
    yield from filter(None, node.input)
    for entry in node.attribute:
        for graph in (*entry.graphs, *([entry.g] if entry.HasField("g") else [])):
            for inner in graph.node:
                yield from _reads(inner)


def _beside_convolutions(nodes: Sequence[onnx.NodeProto]) -> set[int]:
    """Return the ids of the nodes that no convolution leads to, or that lead to none."""
    after: set[str] = set()
    for node in nodes:
        if node.op_type.startswith("Conv") or not after.isdisjoint(_reads(node)):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(nodes):
        if node.op_type.startswith("Conv") or not before.isdisjoint(node.output):
            before.update(_reads(node))
    return {id(n) for n in nodes if after.isdisjoint(n.output) or before.isdisjoint(n.output)}


def _sizes(shape: Sequence[int]) -> list[str]:
    """Return the sizes of a shape in words, those of a frame by its H and W, without a batch of 1."""
    if len(shape) != 4:
        return _sizes_of_windows(shape)
    channels_last = shape[3] < _SIDE * _LEAST_PART <= shape[1]
    axes = ("", "H", "W", "") if channels_last else ("", "", "H", "W")
    words = [_size(size, axis) for size, axis in zip(shape, axes, strict=True)]
    return words[1:] if shape[0] == 1 else words


def _sizes_of_windows(shape: Sequence[int]) -> list[str]:
    """Return the sizes of a shape of pixels in rows or windows: all pixels are HW, their rows come first."""
    words, axes = [], iter("HW")
    for size in shape:
        pixels, side = Fraction(size, _SIDE**2), Fraction(size, _SIDE)
        if size and pixels.denominator <= _MOST_PIXELS:
            words.append(_part(pixels, "HW"))
        elif size and side.numerator == 1 and side.denominator <= 1 / _LEAST_PART:
            words.append(_part(side, next(axes, "W")))
        else:
            words.append(str(size) if size else "?")
    return words


def _part(part: Fraction, axis: str) -> str:
    """Return a part or multiple of an axis in words, such as `2H` or `HW/64`."""
    words = f"{part.numerator if part.numerator > 1 else ''}{axis}"
    return words + (f"/{part.denominator}" if part.denominator > 1 else "")


def _size(size: int, axis: str) -> str:
    if not size:
        return "?"
    if not axis or size < _SIDE * _LEAST_PART:
        return str(size)
    part = Fraction(size, _SIDE)
    more = 0
    if part.denominator > 1 / _LEAST_PART:
        # Padding or cropping, by fewer pixels than the frame has.
        part = Fraction(round(size * 16 / _SIDE), 16)
        more = int(size - part * _SIDE)
    words = _part(part, axis)
    return f"({words}{more:+d})" if more else words
