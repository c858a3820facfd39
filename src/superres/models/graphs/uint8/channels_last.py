"""Graphs from uint8 frames to blocks or frames, channels-last all the way, for OpenVINO.

OpenVINO's convolutions on CPUs are channels-last, as frames are. A transposition next to a convolution is
then free, if sizes are fixed when the graph is compiled. So padding and casts are done on frames and blocks,
and the weights of float convolutions include the division by 255. A convolution's result is rounded once,
after its ReLU. Measured for ESPCN_RGB in INT8, 540 x 960, two cores with VNNI: 32.8 ms; 38.0 ms with frames
on both sides.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from superres.device.base.conventions import INPUT, OUTPUT
from superres.models.graphs.editor import check_ends, frame_graph
from superres.models.graphs.onnx_file import load_onnx, save_onnx
from superres.models.graphs.uint8.blocks import BlockEditor, NoBlocksError

_WHITE = np.float32(255)


@dataclass(frozen=True)
class _Padding:
    """A node that pads the frame, its mode, and the amounts on each side of N, H, W and C."""

    node: onnx.NodeProto
    mode: str
    amounts: np.ndarray


@dataclass(frozen=True)
class _FloatReader:
    """A float convolution that reads the frame, its weights, and the padding before it, if any."""

    convolution: onnx.NodeProto
    weights: onnx.TensorProto
    padding: _Padding | None


def write_channels_last(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes, in FP32 or as a Q/DQ graph, with uint8 frames in and blocks out.

    A network that ends in a sum in INT8, as by the step `anchor`, gets a frame as its output. Frames, blocks
    and levels are those of `superres.models.graphs.uint8.blocks`. Float sums have another order: a level next
    to a tie may differ by one. A network that doesn't end in blocks gets frames on both sides
    (`superres.models.graphs.editor.frame_graph`). The same file gives the same bytes. Raises UserError as
    `frame_graph` does.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    try:
        _ChannelsLastEditor(model).rewrite()
    except NoBlocksError:
        model = frame_graph(onnx_path)
    save_onnx(model, out)


class _ChannelsLastEditor(BlockEditor):
    """Give a graph uint8 frames and blocks as ends, without moving values in between."""

    def __init__(self, model: onnx.ModelProto):
        super().__init__(model, aligned=False)

    def rewrite(self) -> None:
        """Put the steps from levels before the network and the steps to blocks after it."""
        blocks = self.take_blocks()
        self.round_once()
        readers = self.readers(INPUT)
        floats = [found for node in readers if (found := self._in_float(node)) is not None]
        for found in floats:
            scaled = numpy_helper.to_array(found.weights) / _WHITE
            found.weights.CopyFrom(numpy_helper.from_array(scaled, found.weights.name))
        # Only now: removing a node copies the graph's constants.
        for found in floats:
            if found.padding is not None:
                self._remove(found.padding.node)
        network, front = self._nodes, list[onnx.NodeProto]()
        for number, found in enumerate(floats):
            self._nodes = []
            found.convolution.input[0] = self._add_float_frame(found.padding, f"float_frame_{number}")
            front += self._nodes
        self._nodes = network
        front += self._pad_pixels()
        if self.readers(INPUT):
            # INT8 convolutions and all others read planes in [0, 1].
            self.add_front(lambda: self.add_planes(INPUT))
        self._nodes = front + self._nodes
        if self.scale > 1 and self._is_rounded_sum(blocks):
            self._add_frame(blocks)
            self.finish((1, "H", "W", 3), (1, *self.larger, 3))
        else:
            self._add_blocks(blocks)
            self.finish((1, "H", "W", 3), (1, "H", "W", len(self.order)))

    def _in_float(self, node: onnx.NodeProto) -> _FloatReader | None:
        """Return a node as a float convolution of the frame, also through a padding of its own; else None."""
        padding = None
        if node.op_type == "Pad":
            padding, readers = self._padding(node), self.readers(node.output[0])
            if padding is None or len(readers) != 1:
                return None
            (node,) = readers
        if node.op_type != "Conv":
            return None
        weights = self.initializer(node.input[1])
        if weights is None or len(self.readers(weights.name)) > 1:
            return None
        return _FloatReader(node, weights, padding)

    def _padding(self, pad: onnx.NodeProto) -> _Padding | None:
        """Return a padding that repeats borders or adds zeros; else None."""
        mode = next((a.s.decode() for a in pad.attribute if a.name == "mode"), "constant")
        value = self.constant(pad.input[2]) if len(pad.input) > 2 and pad.input[2] else 0.0
        amounts = self.initializer(pad.input[1])
        fits = mode == "edge" or (mode == "constant" and value == 0.0)
        if not fits or amounts is None or len(pad.input) > 3:
            return None
        # From N, C, H, W to N, H, W, C, before and after.
        return _Padding(pad, mode, numpy_helper.to_array(amounts)[[0, 2, 3, 1, 4, 6, 7, 5]])

    def _add_float_frame(self, padding: _Padding | None, name: str) -> str:
        """Add nodes from the frame to its levels as float32 planes; they pad pixels, not planes."""
        levels = INPUT
        if padding is not None:
            amounts = self.store(f"{name}_pads", padding.amounts)
            levels = self.add("Pad", [INPUT, amounts], f"{name}_padded", mode=padding.mode)
        levels = self.add("Cast", [levels], f"{name}_pixels", to=TensorProto.FLOAT)
        return self.add("Transpose", [levels], name, perm=[0, 3, 1, 2])

    def _pad_pixels(self) -> list[onnx.NodeProto]:
        """Let what else reads a padded frame read padded pixels; return the nodes that make its planes."""
        padded = [(node, self._padding(node)) for node in self.readers(INPUT) if node.op_type == "Pad"]
        paddings = [found for _, found in padded if found is not None]
        for found in paddings:
            self._remove(found.node)
        network, self._nodes = self._nodes, []
        for number, found in enumerate(paddings):
            name = f"padded_frame_{number}"
            amounts = self.store(f"{name}_pads", found.amounts)
            planes = self.add_planes(self.add("Pad", [INPUT, amounts], name, mode=found.mode), f"{name}_")
            for node in network:
                node.input[:] = [planes if each == found.node.output[0] else each for each in node.input]
        front, self._nodes = self._nodes, network
        return front

    def _add_frame(self, blocks: str) -> None:
        """Add nodes from a sum in INT8 to the frame.

        OpenVINO computes the sum within the second convolution, and then a transposition after it costs a
        copy. DepthToSpace copies too, but leaves nothing to do outside.
        """
        levels = self.add_levels(blocks)
        pixels = self.add("DepthToSpace", [levels], "pixels", blocksize=self.scale, mode="DCR")
        self.add("Transpose", [pixels], OUTPUT, perm=[0, 2, 3, 1])

    def _is_rounded_sum(self, tensor: str) -> bool:
        """Return whether a tensor is the sum of an INT8 convolution and of the rounded result of another."""
        node = self.writer(tensor)
        if node is None or node.op_type != "Add":
            return False
        kinds = [None if (each := self.writer(name)) is None else each.op_type for name in node.input]
        return sorted(map(str, kinds)) == ["Conv", "DequantizeLinear"] and all(map(self._is_int8, node.input))

    def _add_blocks(self, blocks: str) -> None:
        """Add nodes from the last convolutions' sum to blocks of levels.

        An INT8 convolution writes the levels itself, by QuantizeLinear. In float that gains nothing, and the
        cast comes after the rounding: OpenVINO would fuse it with the transposition, one value at a time.
        """
        if self._is_int8(blocks):
            levels = self.add_levels(blocks)
        else:
            white, black = self.store("white_level", _WHITE), self.store("black_level", np.float32(0))
            levels = self.add("Mul", [blocks, white], "scaled")
            levels = self.add("Round", [levels], "rounded")
            levels = self.add("Clip", [levels, black, white], "limited")
            levels = self.add("Cast", [levels], "levels", to=TensorProto.UINT8)
        self.add("Transpose", [levels], OUTPUT, perm=[0, 2, 3, 1])

    def _is_int8(self, tensor: str) -> bool:
        """Return whether a tensor comes from a convolution on rounded data, or from a pair after one."""
        node = self.writer(tensor)
        if node is not None and node.op_type == "DequantizeLinear":
            return True
        data = self.writer(node.input[0]) if node is not None and node.op_type == "Conv" else None
        return data is not None and data.op_type == "DequantizeLinear"
