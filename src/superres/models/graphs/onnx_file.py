"""Read and write ONNX files, and find their convolutions and the tensors around them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from onnx import shape_inference

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs

KEPT_FLOAT_PROPERTY = "superres.kept_float"
"""Metadata key of an ONNX file: a JSON list of outputs of convolutions that INT8 graphs keep in float."""


@dataclass(frozen=True)
class Convolution:
    """A Conv node by the names of its tensors, and its layer's name, which no other has.

    It reads `data` and `weights` and writes `result`. `output` is the result after the ReLU that alone reads
    it, or the result itself.
    """

    data: str
    weights: str
    result: str
    output: str
    layer: str


OPSET = 17
"""The opset of all graphs: the newest that TensorRT 8.5 reads."""


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name, as Python values; text is bytes."""
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


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
    float_outputs = kept_float(model)
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {output.name for output in model.graph.output}

    def after_relu(result: str) -> str:
        after = readers[result]
        if len(after) == 1 and after[0].op_type == "Relu" and result not in outputs:
            return after[0].output[0]
        return result

    nodes = [
        node for node in model.graph.node if node.op_type == "Conv" and node.output[0] not in float_outputs
    ]
    names = _layer_names([(node.input[1], node.output[0]) for node in nodes])
    return [
        Convolution(node.input[0], node.input[1], node.output[0], after_relu(node.output[0]), name)
        for node, name in zip(nodes, names, strict=True)
    ]


def _layer_names(convolutions: Sequence[tuple[str, str]]) -> list[str]:
    """Name the layers of convolutions, given the names of their weights and results.

    Weights called `{modules}.weight` give the last of the modules, with those before it as far as a number
    alone, or the same name twice, asks for. Others give the result's name.
    """
    paths = [
        weights.split(".")[:-1] if weights.endswith(".weight") else [result]
        for weights, result in convolutions
    ]
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


def _depth_of_a_word(path: Sequence[str]) -> int:
    """Return how many of the last modules it takes until one isn't a number."""
    words = (depth for depth, name in enumerate(reversed(path), 1) if not name.isdigit())
    return next(words, len(path))


def observed_tensors(convolutions: Sequence[Convolution]) -> list[str]:
    """Return the tensors whose ranges are measured: input and output of each convolution, each once."""
    names = [name for convolution in convolutions for name in (convolution.data, convolution.output)]
    return list(dict.fromkeys(names))


def known_shapes(model: onnx.ModelProto, input_shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all tensors for inputs of a shape, as far as they can be inferred."""
    found = {name: shape for name, (shape, _) in known_tensors(model, input_shape).items()}
    found |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return {name: shape for name, shape in found.items() if shape and all(shape)}


def known_tensors(
    model: onnx.ModelProto, input_shape: Sequence[int]
) -> dict[str, tuple[tuple[int, ...], int]]:
    """Return shape (0: unknown) and element type of all tensors but weights, for inputs of a shape."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.ClearField("shape")
    for value in fixed.graph.input:
        for size in input_shape:
            value.type.tensor_type.shape.dim.add().dim_value = size
    inferred = shape_inference.infer_shapes(fixed, data_prop=True)
    return {
        value.name: (
            tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim),
            value.type.tensor_type.elem_type,
        )
        for value in (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    }
