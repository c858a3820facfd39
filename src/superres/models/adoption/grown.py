"""A foreign graph to which nodes and constants are added."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.device.base.conventions import INPUT, OUTPUT

PREFIX = "adopted"
"""The prefix of the nodes and tensors around the network."""


class GrownGraph:
    """A graph with the nodes that it will have, in their order: those of others, and added ones.

    Added nodes and constants have names that begin with `PREFIX`.
    """

    def __init__(self, model: onnx.ModelProto):
        self.model, self.graph = model, model.graph
        self.nodes: list[onnx.NodeProto] = []

    def add(self, kind: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Add a node with one result; returns the result's name."""
        output = f"{PREFIX}/{name}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def store(self, name: str, value: np.ndarray | np.generic) -> str:
        """Add a constant; returns its name."""
        tensor = numpy_helper.from_array(np.asarray(value), f"{PREFIX}/{name}")
        if all(tensor.name != other.name for other in self.graph.initializer):
            self.graph.initializer.append(tensor)
        return tensor.name

    def store_beside(self, name: str, value: np.ndarray) -> str:
        """Store changed weights by a name that ends as before, by which layers are named."""
        self.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), f"{PREFIX}.{name}"))
        return f"{PREFIX}.{name}"

    def weights(self, node: onnx.NodeProto) -> np.ndarray | None:
        """Return the weights of a convolution; None if they aren't constant."""
        return self.constant(node.input[1])

    def constant(self, name: str) -> np.ndarray | None:
        """Return a constant; None if there is none of this name."""
        return next((numpy_helper.to_array(t) for t in self.graph.initializer if t.name == name), None)

    def renamed(self, name: str) -> str:
        """Return another name for a tensor that has the name of one of the pipeline's ends."""
        return f"{PREFIX}/{name}" if name in (INPUT, OUTPUT) else name

    def rename(self, names: dict[str, str], nodes: Sequence[onnx.NodeProto] | None = None) -> None:
        """Give tensors other names, in some nodes or in the whole file."""
        for tensor in self.graph.initializer if nodes is None else ():
            tensor.name = names.get(tensor.name, tensor.name)
        for node in self.graph.node if nodes is None else nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
