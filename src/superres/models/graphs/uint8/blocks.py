"""Graphs from uint8 frames to blocks: all but the last transposition is inside.

A *block* has all levels of the s x s pixels that one pixel of the small frame becomes, as the last
convolution writes them. The runtime turns blocks into a frame, six bytes at a time
(`superres.device.frames.pixels.from_blocks`). The last convolution can then write 8-bit levels in INT8.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from superres.device.base.conventions import INPUT, OUTPUT
from superres.models.graphs.editor import PREFIX, GraphEditor, check_ends, frame_graph
from superres.models.graphs.onnx_file import load_onnx, save_onnx

# onnxruntime's INT8 convolution is fast for multiples of so many outputs.
_ALIGNED = 16
_LINEAR = {"QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Pad", "Cast", "Identity"}


class NoBlocksError(Exception):
    """The graph doesn't end in a sum of convolutions, DepthToSpace and a clip."""


def write_blocks(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes, in FP32 or as a Q/DQ graph, with uint8 frames in and blocks out.

    Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x H x W x 3 s s, s the scale: at
    3 s i + 3 j + c the level of colour c of pixel (s y + i, s x + j), round(255 x), half to even, limited to
    0..255.

    Without DepthToSpace (CRD) and a clip to [0, 1] at the end, it gets frames on both sides
    (`superres.models.graphs.editor.frame_graph`). The same file gives the same bytes. Raises UserError as
    `frame_graph` does.
    """
    save_onnx(block_graph(onnx_path, aligned=False), out)


def block_graph(onnx_path: Path, *, aligned: bool) -> onnx.ModelProto:
    """Return the graph of `write_blocks`.

    `aligned` adds a fourth input channel of zeros, and outputs without meaning to those of a block (four to
    12): onnxruntime's INT8 convolution is fast for multiples of 4 inputs and 16 outputs. No value changes.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    try:
        BlockEditor(model, aligned).rewrite()
    except NoBlocksError:
        # The graph may be partly rewritten: start again.
        return frame_graph(onnx_path)
    return model


class BlockEditor(GraphEditor):
    """Give a graph uint8 frames and blocks as ends."""

    def __init__(self, model: onnx.ModelProto, aligned: bool):
        super().__init__(model)
        self._aligned = aligned

    @property
    def order(self) -> list[int]:
        """The channels of DepthToSpace's input in the order of a block; -1 for those without meaning.

        Sub-pixel (i, j) of colour c is channel s s c + s i + j (CRD), and entry 3 s i + 3 j + c of a block.
        """
        side = range(self.scale)
        order = [self.scale * (self.scale * c + i) + j for i in side for j in side for c in range(3)]
        return order + [-1] * (-len(order) % _ALIGNED if self._aligned else 0)

    def rewrite(self) -> None:
        """Put the steps from levels before the network and the steps to blocks after it."""
        unshuffled = self.take_blocks()
        if self._aligned:
            self._widen([INPUT])
        self.add_front(self._add_planes)
        self.add("Transpose", [self.add_levels(unshuffled)], OUTPUT, perm=[0, 2, 3, 1])
        self.finish((1, "H", "W", 3), (1, "H", "W", len(self.order)))

    def take_blocks(self) -> str:
        """Remove the clip and the DepthToSpace; return the tensor of the blocks, its channels in their order.

        Raises NoBlocksError for any other end.
        """
        unshuffled = self.take_depth_to_space(self.take_clip())
        if unshuffled is None:
            raise NoBlocksError
        self._reorder(unshuffled, self.order)
        return unshuffled

    def _add_planes(self) -> str:
        levels = INPUT
        if self._aligned:
            ends = self.store("alpha", np.array([0, 0, 0, 0, 0, 0, 0, 1], np.int64))
            levels = self.add("Pad", [INPUT, ends], "four_channels")
        return self.add_planes(levels)

    def _reorder(self, tensor: str, order: Sequence[int]) -> None:
        """Put a tensor's channels into an order, in the convolutions that it is the sum of."""
        node = self.writer(tensor)
        if node is None or len(self.readers(tensor)) > 1:
            raise NoBlocksError
        if node.op_type == "Conv":
            self._take(node.input[1], order, axis=0)
            if len(node.input) > 2:
                self._take(node.input[2], order, axis=0)
        elif node.op_type == "Add":
            for name in node.input:
                self._reorder(name, order)
        elif node.op_type == "Slice" and self._keeps_channels(node):
            self._reorder(node.input[0], order)
        elif (size := self.shuffled(node)) is not None:
            # Each of its channels is made of size^2 channels in a row.
            self._reorder(
                node.input[0], [n * size**2 + k if n >= 0 else -1 for n in order for k in range(size**2)]
            )
        elif (
            node.op_type in ("QuantizeLinear", "DequantizeLinear")
            and self.constant(node.input[1]) is not None
        ):
            self._reorder(node.input[0], order)
        else:
            raise NoBlocksError

    def _keeps_channels(self, crop: onnx.NodeProto) -> bool:
        """Return whether a Slice crops height or width alone."""
        axis = self.constant(crop.input[3]) if len(crop.input) > 3 else None
        return axis is not None and axis > 1

    def _widen(self, tensors: Iterable[str]) -> None:
        """Add a fourth input channel to the convolutions that read these tensors, also after linear nodes."""
        for tensor in tensors:
            for node in self.readers(tensor):
                if node.op_type == "Conv" and node.input[0] == tensor:
                    self._take(node.input[1], (0, 1, 2, -1), axis=1)
                elif node.op_type in _LINEAR and self._scalars(node, tensor):
                    self._widen(node.output)
                elif node.op_type != "Shape":
                    raise NoBlocksError

    def _scalars(self, node: onnx.NodeProto, tensor: str) -> bool:
        """Return whether a node's other inputs are the same for all channels."""
        if node.op_type == "Pad":
            return True
        return all(self.constant(name) is not None for name in node.input if name and name != tensor)

    def _take(self, name: str, channels: Sequence[int], axis: int) -> None:
        """Reorder the channels of weights or a bias, also through a Q/DQ pair; -1 is a channel of zeros."""
        if len(self.readers(name)) > 1:
            raise NoBlocksError
        tensor = self.initializer(name)
        if tensor is not None:
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(_taken(values, channels, axis, 0), name))
            return
        node = self.writer(name)
        if node is None or node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            raise NoBlocksError
        self._take(node.input[0], channels, axis)
        if axis == 0:
            for position, (argument, fill) in enumerate(zip(node.input[1:], (1, 0), strict=False), 1):
                node.input[position] = self._taken_argument(argument, channels, fill)

    def _taken_argument(self, name: str, channels: Sequence[int], fill: int) -> str:
        """Store a scale or zero-point in the new order; the pair shares the old one. Return its name."""
        tensor = self.initializer(name)
        values = None if tensor is None else numpy_helper.to_array(tensor)
        if values is None:
            raise NoBlocksError
        if values.size == 1:
            return name
        if (reordered := f"{PREFIX}/{name}") not in {t.name for t in self.graph.initializer}:
            self.graph.initializer.append(
                numpy_helper.from_array(_taken(values, channels, 0, fill), reordered)
            )
        return reordered


def _taken(values: np.ndarray, channels: Sequence[int], axis: int, fill: int) -> np.ndarray:
    shape = list(values.shape)
    shape[axis] = 1
    filled = np.concatenate([values, np.full(shape, fill, values.dtype)], axis=axis)
    return np.ascontiguousarray(np.take(filled, channels, axis=axis))
