"""Q/DQ graphs from uint8 frames to blocks, for the INT8 kernels of ONNX Runtime.

Measured for ESPCN_RGB, 540 x 960, two cores with VNNI: 56 ms a frame; the plain form takes 112.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.models.graphs.editor import PREFIX
from superres.models.graphs.onnx_file import save_onnx
from superres.models.graphs.uint8.blocks import block_graph

_ZERO, _MOST = f"{PREFIX}/zero", f"{PREFIX}/most"
_PAIR = ("QuantizeLinear", "DequantizeLinear")


def write_levels(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes with uint8 frames in and blocks of levels out, 16 or a multiple.

    That is `block_graph` with `aligned`. Symmetric int8 pairs are then changed:

    - Data is uint8 with zero-point 128 instead of int8 with 0, the same levels moved by 128: onnxruntime's
      kernels on x86 take nothing else.
    - A ReLU between two equal pairs limits the levels, from 128 up, instead of floats. Between asymmetric
      pairs, whose zero is level 0, it is removed.
    - A convolution without a QuantizeLinear after it runs in float anyway. It gets its rounded weights as
      floats, and is optimised as any float convolution.

    Only the order of the last one's sums changes values. The same file gives the same bytes. Raises
    UserError as `frame_graph` does.
    """
    model = block_graph(onnx_path, aligned=True)
    _Levels(model.graph).rewrite()
    save_onnx(model, out)


class _Levels:
    """A graph that is rewritten in place."""

    def __init__(self, graph: onnx.GraphProto):
        self._graph = graph
        self._constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self._writers = {name: node for node in graph.node for name in node.output}

    def rewrite(self) -> None:
        """Make the three changes where they apply."""
        for node in self._graph.node:
            if node.op_type == "Conv" and not self._is_quantized(node):
                self._round_weights(node)
        pairs = [node for node in self._graph.node if node.op_type in _PAIR and self._is_symmetric(node)]
        for node in pairs:
            node.input[2] = _ZERO
        limits = {_ZERO: 128, _MOST: 255} if pairs else {}
        for name, value in limits.items():
            self._constants[name] = np.asarray(value, np.uint8)
            self._graph.initializer.append(numpy_helper.from_array(self._constants[name], name))
        for node in [node for node in self._graph.node if node.op_type == "Relu"]:
            self._limit_levels(node)

    def _readers(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self._graph.node if name in node.input]

    def _is_quantized(self, convolution: onnx.NodeProto) -> bool:
        """Return whether a QuantizeLinear alone reads a convolution's result."""
        readers = self._readers(convolution.output[0])
        return len(readers) == 1 and readers[0].op_type == "QuantizeLinear"

    def _is_symmetric(self, node: onnx.NodeProto) -> bool:
        """Return whether a node of a pair rounds data, not weights, to int8 with zero-point 0."""
        zero = self._constants.get(node.input[2]) if len(node.input) > 2 else None
        if zero is None or zero.dtype != np.int8 or zero.size != 1 or zero.item() != 0:
            return False
        return self._weights_of(node) is None

    def _grid(self, node: onnx.NodeProto) -> tuple[np.ndarray, np.ndarray] | None:
        """Return scale and zero-point of a node of a pair, if both are constants."""
        found = [self._constants.get(name) for name in node.input[1:3]]
        if len(found) != 2 or found[0] is None or found[1] is None:
            return None
        return found[0], found[1]

    def _weights_of(self, node: onnx.NodeProto) -> np.ndarray | None:
        """Return the constant that a node of a pair rounds, None for data."""
        while node.op_type in _PAIR:
            if node.input[0] in self._constants:
                return self._constants[node.input[0]]
            if (writer := self._writers.get(node.input[0])) is None:
                return None
            node = writer
        return None

    def _round_weights(self, convolution: onnx.NodeProto) -> None:
        dequantize = self._writers.get(convolution.input[1])
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            return
        quantize = self._writers.get(dequantize.input[0])
        if (
            quantize is None
            or quantize.op_type != "QuantizeLinear"
            or quantize.input[0] not in self._constants
        ):
            return
        scale, zero = (self._constants[name] for name in quantize.input[1:3])
        if zero.dtype != np.int8 or zero.any():
            return
        weights = self._constants[quantize.input[0]]
        steps = scale.reshape(-1, 1, 1, 1) if scale.ndim else scale
        levels = np.clip(np.rint(weights / steps), -128, 127)
        name = f"{PREFIX}/rounded/{quantize.input[0]}"
        self._graph.initializer.append(numpy_helper.from_array((levels * steps).astype(np.float32), name))
        convolution.input[1] = name
        if not self._readers(dequantize.output[0]):
            self._graph.node.remove(dequantize)
            self._graph.node.remove(quantize)

    def _limit_levels(self, relu: onnx.NodeProto) -> None:
        """Replace the end of the pair before a ReLU, the ReLU and the start of the next pair by a limit."""
        dequantize, after = self._writers.get(relu.input[0]), self._readers(relu.output[0])
        if dequantize is None or dequantize.op_type != "DequantizeLinear" or len(after) != 1:
            return
        quantize = after[0]
        if quantize.op_type != "QuantizeLinear" or len(self._readers(dequantize.output[0])) != 1:
            return
        grid, other = self._grid(dequantize), self._grid(quantize)
        # Symmetric data is uint8 by now.
        if grid is None or other is None or grid[1].dtype != np.uint8 or not _equal(grid, other):
            return
        # Levels from 0 up, those of asymmetric data after a ReLU, are limited already.
        limits = [dequantize.input[2], _MOST] if grid[1].any() else []
        limit = helper.make_node(
            "Clip" if limits else "Identity",
            [dequantize.input[0], *limits],
            [quantize.output[0]],
            name=relu.name,
        )
        self._graph.node.insert(list(self._graph.node).index(relu), limit)
        for node in (dequantize, relu, quantize):
            self._graph.node.remove(node)


def _equal(grid: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(grid, other, strict=True))
