"""Networks that are quantised already: their float form, without rounding.

It keeps what quantisation limits: where a scale ends at 0, the ReLU before it was left out.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from superres.device.base.errors import UserError
from superres.models.adoption.rewriting import first_line
from superres.models.graphs.onnx_file import attributes, read_constants

# Operators of onnxruntime on quantised tensors: the float operator, and where its tensors are. Each is
# followed by its scale and zero-point, and those of the result come last.
_FLOAT_OF = {
    "QLinearConv": ("Conv", (0, 3)),
    "QLinearMatMul": ("MatMul", (0, 3)),
    "QLinearAdd": ("Add", (0, 3)),
    "QLinearMul": ("Mul", (0, 3)),
    "QLinearLeakyRelu": ("LeakyRelu", (0,)),
    "QLinearSigmoid": ("Sigmoid", (0,)),
}
_INTEGER = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def in_float(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return the float form of a quantised graph: weights by their levels, limits as Clip, no rounding.

    Raises UserError, naming `where`, for quantised operators without one, and for scales that aren't
    constant.
    """
    return _Floats(model, where).rewrite()


class _Floats:
    """A quantised graph while it is rewritten. Quantised tensors get the real values that they stand for."""

    def __init__(self, model: onnx.ModelProto, where: str):
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph, self.where = self.model.graph, where
        self.constants = read_constants(self.model)
        self.renamed: dict[str, str] = {}
        self.grids: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.nodes: list[onnx.NodeProto] = []

    def rewrite(self) -> onnx.ModelProto:
        """Rewrite all nodes, and the ends that were quantised."""
        for node in self.graph.node:
            node.input[:] = [self.renamed.get(name, name) for name in node.input]
            rewrite = self._of(node)
            try:
                rewrite(node)
            except (ValueError, IndexError, ZeroDivisionError) as error:
                raise UserError(
                    f"{self.where}: expected scales and zero-points that fit the values of {node.op_type} "
                    f"{node.name or node.output[0]}, found: {first_line(error)}; export the float network"
                ) from error
        for output in self.graph.output:
            self._restore_levels(output)
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        kept = [entry for entry in self.model.opset_import if entry.domain in ("", "ai.onnx")]
        del self.model.opset_import[:]
        self.model.opset_import.extend(kept)
        return self.model

    def _of(self, node: onnx.NodeProto) -> Callable[[onnx.NodeProto], None]:
        kind = node.op_type
        if kind in _FLOAT_OF:
            return self._linear
        if kind in _INTEGER:
            return self._integer
        known = {
            "QuantizeLinear": self._quantize,
            "DequantizeLinear": self._dequantize,
            "DynamicQuantizeLinear": self._dynamic,
        }
        if kind not in known and (kind.startswith("QLinear") or node.domain not in ("", "ai.onnx")):
            raise UserError(
                f"{self.where}: expected a quantised graph of standard operators, found {kind} "
                f"({node.domain or 'ai.onnx'}), whose float form isn't known; export the float network"
            )
        return known.get(kind, self._keep)

    def _keep(self, node: onnx.NodeProto) -> None:
        """Keep a node; one that moves quantised values moves real ones."""
        for source in node.input[:1]:
            if source in self.grids and node.op_type != "DequantizeLinear":
                self.grids |= dict.fromkeys(node.output, self.grids[source])
        self.nodes.append(node)

    def _quantize(self, node: onnx.NodeProto) -> None:
        if node.input[0] in self.constants:
            self.renamed[node.output[0]] = node.input[0]
            self.grids[node.input[0]] = (np.ones(1), np.zeros(1))
            return
        zero = self._constant(node.input[2]) if len(node.input) > 2 else np.zeros((), np.uint8)
        self._limit(node.input[0], node.output[0], self._constant(node.input[1]), zero)

    def _dequantize(self, node: onnx.NodeProto) -> None:
        source = node.input[0]
        if source in self.grids:
            self.renamed[node.output[0]] = source
        elif source in self.constants:
            zero = self._constant(node.input[2]) if len(node.input) > 2 else np.zeros(())
            axis = attributes(node).get("axis", 1)
            real = _real(self.constants[source], self._constant(node.input[1]), zero, axis)
            self.renamed[node.output[0]] = self._store(node.output[0], real)
        else:
            # Levels that the picture itself comes in.
            self.nodes.append(node)

    def _dynamic(self, node: onnx.NodeProto) -> None:
        """Take away a scale that follows the picture: values are real, so that it is 1."""
        levels, scale, zero = node.output
        self.renamed[levels] = node.input[0]
        self.grids[node.input[0]] = (np.ones(()), np.zeros(()))
        self._store(scale, np.float32(1))
        self._store(zero, np.float32(0))

    def _integer(self, node: onnx.NodeProto) -> None:
        """Replace a product of whole numbers, whose result is scaled afterwards."""
        data, weights = node.input[:2]
        zeros = [self._constant(name) if name else np.zeros(()) for name in (*node.input[2:4], "", "")]
        step, _ = self.grids.get(data, (np.ones(()), None))
        if step.size != 1 or step.item() != 1.0:
            # A constant scale follows: the product is of levels.
            inverse = self._store(f"{node.output[0]}/levels", (1 / step).astype(np.float32))
            self._add("Mul", [data, inverse], scaled := f"{node.output[0]}/data")
            data = scaled
        elif data not in self.grids:
            self._add("Cast", [data], cast := f"{node.output[0]}/data", to=TensorProto.FLOAT)
            data = cast
        real = _real(self._constant(weights), np.ones(()), zeros[1], 0)
        stored = self._store(f"{weights}/float", real)
        self._like(node, _INTEGER[node.op_type], [data, stored], node.output[0])

    def _linear(self, node: onnx.NodeProto) -> None:
        kind, places = _FLOAT_OF[node.op_type]
        inputs = [self._operand(node, place, axis=0 if kind == "Conv" else -1) for place in places]
        first = places[-1] + 3
        scale, zero = self._constant(node.input[first]), self._constant(node.input[first + 1])
        if kind == "Conv" and len(node.input) > first + 2:
            steps = self._constant(node.input[1]) * self._constant(node.input[4])
            bias = self._constant(node.input[first + 2]) * steps
            inputs.append(self._store(f"{node.input[first + 2]}/float", bias.astype(np.float32)))
        self._like(node, kind, inputs, unlimited := f"{node.output[0]}/unlimited")
        self._limit(unlimited, node.output[0], scale, zero)

    def _operand(self, node: onnx.NodeProto, place: int, axis: int) -> str:
        """Return the real values of an operand, which its scale and zero-point follow."""
        name = node.input[place]
        if name in self.grids or name not in self.constants:
            return name
        scale, zero = (self._constant(node.input[place + more]) for more in (1, 2))
        return self._store(f"{name}/float", _real(self.constants[name], scale, zero, axis))

    def _limit(self, source: str, result: str, scale: np.ndarray, zero: np.ndarray) -> None:
        """Limit values to those that levels stand for."""
        self.grids[result] = (scale, zero)
        if scale.size != 1:
            self.renamed[result] = source
            self.grids[source] = (scale, zero)
            return
        ends = np.iinfo(zero.dtype)
        low, high = ((end - zero.item()) * scale.item() for end in (ends.min, ends.max))
        limits = [
            self._store(f"{result}/{name}", np.float32(value))
            for name, value in (("low", low), ("high", high))
        ]
        self._add("Clip", [source, *limits], result)

    def _restore_levels(self, output: onnx.ValueInfoProto) -> None:
        """Turn the real values of a picture that came in levels into levels again, not rounded."""
        name = output.name
        if (
            name in self.renamed
            or name not in self.grids
            or output.type.tensor_type.elem_type == TensorProto.FLOAT
        ):
            if name in self.renamed:
                self._add("Identity", [self.renamed[name]], name)
            return
        scale, zero = self.grids[name]
        for node in self.nodes:
            node.input[:] = [f"{name}/real" if each == name else each for each in node.input]
            node.output[:] = [f"{name}/real" if each == name else each for each in node.output]
        inverse, black = (
            self._store(f"{name}/{what}", np.float32(value))
            for what, value in (("white", 1 / scale), ("black", zero))
        )
        self._add("Mul", [f"{name}/real", inverse], f"{name}/levels")
        self._add("Add", [f"{name}/levels", black], name)
        output.type.tensor_type.elem_type = TensorProto.FLOAT

    def _constant(self, name: str) -> np.ndarray:
        if name not in self.constants:
            raise UserError(
                f"{self.where}: expected constant scales and weights in a quantised graph, found {name} "
                "computed; export the float network"
            )
        return self.constants[name]

    def _store(self, name: str, value: np.ndarray | np.generic) -> str:
        self.constants[name] = np.asarray(value)
        if all(tensor.name != name for tensor in self.graph.initializer):
            self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def _add(self, kind: str, inputs: Sequence[str], output: str, **given: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], f"{output}/{kind}", **given))

    def _like(self, node: onnx.NodeProto, kind: str, inputs: Sequence[str], output: str) -> None:
        """Add a node with another's name and attributes."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], node.name))
        self.nodes[-1].attribute.extend(node.attribute)


def _real(levels: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int) -> np.ndarray:
    """Return the values that levels stand for, float32; scale and zero-point may be vectors along an axis."""

    def shaped(vector: np.ndarray) -> np.ndarray:
        if vector.size == 1:
            return vector.reshape(()).astype(np.float64)
        return vector.astype(np.float64).reshape(
            [-1 if at == axis % levels.ndim else 1 for at in range(levels.ndim)]
        )

    return ((levels.astype(np.float64) - shaped(zero)) * shaped(scale)).astype(np.float32)
