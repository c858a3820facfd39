"""Insert QuantizeLinear and DequantizeLinear in front of the nodes of a graph that read rounded tensors."""

from collections.abc import Collection, Mapping

import onnx
from onnx import helper, numpy_helper

from superres.models.graphs.onnx_file import EARLY, SLOPED
from superres.quantization.grids import Grid


class Pairs:
    """A graph that gets Q/DQ pairs in place, each right before the first node that reads it.

    `axes` are those of weights with a scale for each output channel.
    """

    def __init__(self, model: onnx.ModelProto, grids: Mapping[str, Grid], axes: Mapping[str, int]):
        self._graph, self._grids, self._axes = model.graph, grids, axes
        self._nodes: list[onnx.NodeProto] = []

    def insert(self, quantized: Mapping[str, Collection[str]], early: Mapping[str, tuple[str, Grid]]) -> None:
        """Insert the pairs of tensors that each layer, by its result, reads through one, and `early` ones."""
        dequantized: dict[str, str] = {}
        for node in self._graph.node:
            result = node.output[0]
            if result in quantized:
                for position, name in enumerate(node.input):
                    if name in quantized[result]:
                        if name not in dequantized:
                            dequantized[name] = self._add(name, self._grids[name])
                        node.input[position] = dequantized[name]
            elif result in early:
                node.input[0] = self._add(*early[result], EARLY if node.op_type in SLOPED else "")
            self._nodes.append(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)

    def _add(self, name: str, grid: Grid, marked: str = "") -> str:
        """Append the pair of a tensor; return the name of its output."""
        scale_name, zero_name, quantized, result = (
            f"{name}{marked}_{suffix}" for suffix in ("scale", "zero_point", "quantized", "dequantized")
        )
        self._graph.initializer.append(numpy_helper.from_array(grid.scale, scale_name))
        self._graph.initializer.append(numpy_helper.from_array(grid.zero_point, zero_name))
        for kind, source, target in (
            ("QuantizeLinear", name, quantized),
            ("DequantizeLinear", quantized, result),
        ):
            node = helper.make_node(kind, [source, scale_name, zero_name], [target], name=f"{target}/{kind}")
            if grid.scale.ndim:
                node.attribute.append(helper.make_attribute("axis", self._axes.get(name, 0)))
            self._nodes.append(node)
        return result
