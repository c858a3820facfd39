"""The conversion from and to 8-bit frames as part of an ONNX graph that leaves the last transposition
outside.

What comes out of such a graph are *blocks*: all levels of the 2 x 2 pixels that a pixel of the small frame
becomes, beside each other, as the last convolution has them. The step from blocks to a frame moves six bytes
at a time and is done by whoever runs the graph (`superres.device.frames.pixels.from_blocks`). The graph's own
last step is that of an INT8 convolution that writes 8-bit levels.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from superres.device.runtimes.base import INPUT, OUTPUT
from superres.models.graphs.editor import PREFIX, GraphEditor, check_ends, frame_graph
from superres.models.graphs.onnx_file import load_onnx, save_onnx

# Sub-pixel (i, j) of colour c is channel 4c + 2i + j of DepthToSpace's input (CRD), and lies at 6i + 3j + c
# of a block.
_ORDER = tuple(4 * c + 2 * i + j for i in range(2) for j in range(2) for c in range(3))
_LINEAR = {"QuantizeLinear", "DequantizeLinear", "Add", "Sub", "Mul", "Div", "Pad", "Cast", "Identity"}


class NoBlocksError(Exception):
    """A graph whose last steps are others than a sum of convolutions, DepthToSpace and a clip."""


def write_blocks(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes, in FP32 or as a Q/DQ graph, as one from uint8 frames to blocks.

    Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x H x W x 12: at 6i + 3j + c the level of
    colour c of pixel (2y + i, 2x + j), round(255 x), half to even, limited to 0..255.

    A network that does not end in DepthToSpace (CRD) and a clip to [0, 1] is written with frames on both
    sides (`superres.models.graphs.editor.frame_graph`). The same file gives the same bytes. Raises UserError as
    `frame_graph` does.
    """
    save_onnx(block_graph(onnx_path, aligned=False), out)


def block_graph(onnx_path: Path, *, aligned: bool) -> onnx.ModelProto:
    """The graph that `write_blocks` writes.

    `aligned` gives the network a fourth input channel of zeros and 16 outputs a block, of which the last four
    mean nothing: onnxruntime's INT8 convolution is fast for multiples of 4 inputs and 16 outputs. The values
    stay.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    try:
        BlockEditor(model.graph, aligned).rewrite()
    except NoBlocksError:
        # It may have been rewritten in part.
        return frame_graph(onnx_path)
    return model


class BlockEditor(GraphEditor):
    """Gives a graph uint8 frames and blocks as ends."""

    def __init__(self, graph: onnx.GraphProto, aligned: bool):
        super().__init__(graph)
        self._aligned = aligned
        self._order = (*_ORDER, *[-1] * 4) if aligned else _ORDER

    def rewrite(self) -> None:
        """Put the steps from levels in front of the network and the steps to blocks behind it."""
        unshuffled = self.take_blocks()
        if self._aligned:
            self._widen([INPUT])
        self.add_front(self._add_planes)
        self.add("Transpose", [self.add_levels(unshuffled)], OUTPUT, perm=[0, 2, 3, 1])
        self.finish((1, "H", "W", 3), (1, "H", "W", len(self._order)))

    def take_blocks(self) -> str:
        """Take the clip and the DepthToSpace away; returns the tensor that has the blocks now, in their
        order.

        Raises NoBlocksError for a graph that ends in anything else.
        """
        unshuffled = self.take_depth_to_space(self.take_clip())
        if unshuffled is None:
            raise NoBlocksError
        self._reorder(unshuffled)
        return unshuffled

    def _add_planes(self) -> str:
        levels = INPUT
        if self._aligned:
            ends = self.store("alpha", np.array([0, 0, 0, 0, 0, 0, 0, 1], np.int64))
            levels = self.add("Pad", [INPUT, ends], "four_channels")
        return self.add_planes(levels)

    def _reorder(self, tensor: str) -> None:
        """Have the channels of a tensor in the order of a block, by way of the convolutions that it is a sum
        of."""
        node = self.writer(tensor)
        if node is None or len(self.readers(tensor)) > 1:
            raise NoBlocksError
        if node.op_type == "Conv":
            self._take(node.input[1], self._order, axis=0)
            if len(node.input) > 2:
                self._take(node.input[2], self._order, axis=0)
        elif node.op_type == "Add":
            for name in node.input:
                self._reorder(name)
        elif (
            node.op_type in ("QuantizeLinear", "DequantizeLinear")
            and self.constant(node.input[1]) is not None
        ):
            self._reorder(node.input[0])
        else:
            raise NoBlocksError

    def _widen(self, tensors: Iterable[str]) -> None:
        """Give the convolutions that read these tensors, or what is computed of them by element, a fourth
        input channel."""
        for tensor in tensors:
            for node in self.readers(tensor):
                if node.op_type == "Conv" and node.input[0] == tensor:
                    self._take(node.input[1], (0, 1, 2, -1), axis=1)
                elif node.op_type in _LINEAR and self._scalars(node, tensor):
                    self._widen(node.output)
                else:
                    raise NoBlocksError

    def _scalars(self, node: onnx.NodeProto, tensor: str) -> bool:
        """Whether what a node reads besides a tensor is the same for all channels."""
        if node.op_type == "Pad":
            return True
        return all(self.constant(name) is not None for name in node.input if name and name != tensor)

    def _take(self, name: str, channels: Sequence[int], axis: int) -> None:
        """Have channels of weights or a bias in another order, -1 being one of zeros; through the pair that
        they go through."""
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
        """A scale or zero-point in the new order, under a name of its own: both nodes of a pair read the old
        one."""
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
