"""Read and write ONNX files, and find their convolutions and the tensors around them."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs

KEPT_FLOAT_PROPERTY = "superres.kept_float"
"""Metadata key of an ONNX file: a JSON list of outputs of convolutions that INT8 graphs keep in float."""


ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu", "Clip")
"""Functions of each value that runtimes compute with the convolution before them."""

HOMOGENEOUS = ("Relu", "LeakyRelu", "PRelu")
"""Those that pass positive factors."""

SLOPED = ("LeakyRelu", "PRelu")
"""Those that map the levels of a grid to others."""

EARLY = "_before_activation"
"""A mark in the names of a Q/DQ pair before such a function: ONNX Runtime alone needs it."""


@dataclass(frozen=True)
class Convolution:
    """A layer with weights by the names of its tensors, and its own name, which no other has.

    It reads `data` and `weights` and writes `result`. `output` is the result after the `activation`, one of
    `ACTIVATIONS` that alone reads it, or the result itself; then `activation` is empty. `kind` is Conv, or
    MatMul or Gemm with constant weights. The weights' output channels are along `axis`.
    """

    data: str
    weights: str
    result: str
    output: str
    layer: str
    activation: str = ""
    kind: str = "Conv"
    axis: int = 0


_SIDE = 64

_TORCH = re.compile(r"(/[^/]+)+/(Conv|MatMul|Gemm)(_\d+)?_output_0")
"""The name that torch gives to the result of a layer."""

OPSET = 17
"""The opset of all graphs: the newest that TensorRT 8.5 reads."""


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name, as Python values; text is bytes."""
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def read_constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the tensors that a graph states, as initializers or by Constant nodes, by name."""
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and (value := attributes(node).get("value")) is not None:
            found[node.output[0]] = onnx.numpy_helper.to_array(value)
    return found


def load_onnx(path: Path) -> onnx.ModelProto:
    """Return the graph of an ONNX file; raises UserError if it is none."""
    try:
        model = onnx.load(str(path))
    except (OSError, DecodeError) as error:
        raise UserError(f"{path}: expected an ONNX file, found something else: {error}") from error
    if not model.graph.node:
        raise UserError(f"{path}: expected an ONNX graph with nodes, found an empty one")
    return model


def save_onnx(model: onnx.ModelProto, out: Path) -> None:
    """Check a graph and write it, whole or not at all; the same graph gives the same bytes."""
    onnx.checker.check_model(model, full_check=True)
    with Outputs({"onnx": str(out)}) as outputs:
        outputs["onnx"].write_bytes(model.SerializeToString(deterministic=True))


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a graph with these tensors as outputs too."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    present = {value.name for value in (*copied.graph.input, *copied.graph.output)}
    for name in names:
        if name not in present:
            copied.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return copied


def only_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return a copy of a graph with these tensors as its outputs, without what they don't need."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    graph, needed, nodes = copied.graph, set(names), []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(node.input)
    del graph.node[:], graph.output[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(nodes))
    graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in needed)
    return copied


def kept_float(model: onnx.ModelProto) -> list[str]:
    """Return outputs of the convolutions that the file keeps in float (`KEPT_FLOAT_PROPERTY`), often none.

    Raises UserError if one of them is no output of a convolution.
    """
    properties = {entry.key: entry.value for entry in model.metadata_props}
    kept = json.loads(properties.get(KEPT_FLOAT_PROPERTY, "[]"))
    found = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    if unknown := sorted(set(kept) - set(found)):
        raise UserError(
            f"ONNX metadata {KEPT_FLOAT_PROPERTY}: expected outputs of convolutions ({', '.join(found)}), "
            f"found {', '.join(unknown)}; export the model again"
        )
    return kept


def find_convolutions(model: onnx.ModelProto) -> list[Convolution]:
    """Return the Conv nodes of a graph in topological order, without those that it keeps in float."""
    return [layer for layer in find_layers(model) if layer.kind == "Conv"]


def find_layers(model: onnx.ModelProto) -> list[Convolution]:
    """Return the same with products by constant matrices: all layers that INT8 graphs quantise."""
    float_outputs = kept_float(model)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    fixed = read_constants(model).keys()
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {output.name for output in model.graph.output}

    def activation(result: str) -> tuple[str, str]:
        after = readers[result]
        if len(after) == 1 and result not in outputs and _is_activation(after[0], result, fixed):
            return after[0].output[0], after[0].op_type
        return result, ""

    nodes = [node for node in model.graph.node if node.output[0] not in float_outputs]
    nodes = [node for node in nodes if node.op_type == "Conv" or _is_product(node, constants)]
    names = name_layers([(node.input[1], node.output[0]) for node in nodes])
    found = []
    for node, name in zip(nodes, names, strict=True):
        output, function = activation(node.output[0])
        ends = (node.input[0], node.input[1], node.output[0], output)
        found.append(Convolution(*ends, name, function, node.op_type, _output_axis(node)))
    return found


def _is_activation(node: onnx.NodeProto, source: str, fixed: Collection[str]) -> bool:
    """Return whether a node is a function of each value of `source`, its other inputs among the `fixed`."""
    known = all(name in fixed for name in node.input[1:] if name)
    return node.op_type in ACTIVATIONS and node.input[0] == source and known


def _is_product(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Return whether a node multiplies by a constant matrix."""
    if node.op_type not in ("MatMul", "Gemm") or node.input[1] not in constants:
        return False
    return len(constants[node.input[1]].dims) == 2 and not attributes(node).get("transA", 0)


def _output_axis(node: onnx.NodeProto) -> int:
    """Return the axis of a layer's weights that has its output channels."""
    transposed = attributes(node).get("transB", 0)
    return 0 if node.op_type == "Conv" or transposed else 1


def name_layers(convolutions: Sequence[tuple[str, str]]) -> list[str]:
    """Name the layers of convolutions, given the names of their weights and results.

    Weights called `{modules}.weight` give the last of the modules, with those before it as far as a number
    alone, or the same name twice, asks for. So do results called as torch does, by the modules that they are
    in. Others give the result's name.
    """
    paths = [_modules(weights, result) for weights, result in convolutions]
    depths = [_depth_of_a_word(path) for path in paths]
    while True:
        names = [".".join(path[-depth:]) for path, depth in zip(paths, depths, strict=True)]
        twice = {name for name in names if names.count(name) > 1}
        longer = [
            depth + (name in twice and depth < len(path))
            for name, depth, path in zip(names, depths, paths, strict=True)
        ]
        if longer == depths:
            # Layers that share their weights have the same modules.
            return [
                result if name in twice else name
                for name, (_, result) in zip(names, convolutions, strict=True)
            ]
        depths = longer


def _modules(weights: str, result: str) -> list[str]:
    """Return the modules that a layer is in, from the outermost: of `/body/body.0/conv/Conv_output_0` too."""
    if weights.endswith(".weight"):
        return weights.split(".")[:-1]
    if not _TORCH.fullmatch(result):
        return [result]
    parts: list[str] = []
    for scope in result.split("/")[1:-1]:
        names = scope.split(".")
        # A module in a list repeats the list's name.
        parts = parts[:-1] if parts[-1:] == names[:1] and len(names) > 1 else parts
        parts += names
    return parts


def _depth_of_a_word(path: Sequence[str]) -> int:
    """Return how many of the last modules it takes until one isn't a number."""
    words = (depth for depth, name in enumerate(reversed(path), 1) if not name.isdigit())
    return next(words, len(path))


def observed_tensors(convolutions: Sequence[Convolution]) -> list[str]:
    """Return the tensors whose ranges are measured: input and output of each layer, each once."""
    names: list[str] = []
    for convolution in convolutions:
        names += [convolution.data, convolution.output]
        # A pair before such a function has a grid of its own.
        names += [convolution.result] if convolution.activation in SLOPED else []
    return list(dict.fromkeys(names))


def own_size(model: onnx.ModelProto) -> tuple[int, int] | None:
    """Return the height and width that a graph takes; None if it takes any."""
    height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:4])
    return (height, width) if height > 0 and width > 0 else None


def example_size(model: onnx.ModelProto) -> tuple[int, int]:
    """Return a height and width that a graph takes, to count by."""
    return own_size(model) or (_SIDE, _SIDE)
