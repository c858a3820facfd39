"""Shapes and element types of a graph's tensors, for inputs of one size."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from superres.models.graphs.onnx_file import OPSET, attributes

Shape = tuple[int, ...]

_MOST_SIZES = 64
"""Tensors of more values aren't sizes, and nothing is computed with them."""


def known_shapes(model: onnx.ModelProto, input_shape: Sequence[int]) -> dict[str, Shape]:
    """Return the shapes of all tensors for inputs of a shape, as far as they can be found."""
    found = {name: shape for name, (shape, _) in known_tensors(model, input_shape).items()}
    found |= {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    return {name: shape for name, shape in found.items() if shape and all(shape)}


def known_tensors(model: onnx.ModelProto, input_shape: Sequence[int]) -> dict[str, tuple[Shape, int]]:
    """Return shape (0: unknown) and element type of all tensors but weights, for inputs of a shape.

    Inference doesn't follow sizes that a graph computes itself, as for a padding or windows: such tensors
    are followed node by node.
    """
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    del fixed.graph.value_info[:]
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.ClearField("shape")
    for value in fixed.graph.input:
        for size in input_shape:
            value.type.tensor_type.shape.dim.add().dim_value = size
    inferred = shape_inference.infer_shapes(fixed, data_prop=True).graph
    values = {value.name: value for value in (*inferred.value_info, *inferred.input, *inferred.output)}
    found = {
        name: (
            tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim),
            value.type.tensor_type.elem_type,
        )
        for name, value in values.items()
    }
    if any(not _is_known(values.get(name)) for node in model.graph.node for name in node.output if name):
        found |= _followed(fixed)
    return found


def _is_known(value: onnx.ValueInfoProto | None) -> bool:
    if value is None or not value.type.tensor_type.HasField("shape"):
        return False
    return all(dim.HasField("dim_value") for dim in value.type.tensor_type.shape.dim)


def _followed(model: onnx.ModelProto) -> dict[str, tuple[Shape, int]]:
    """Return shape and element type of the results of nodes, with sizes that the graph computes itself.

    Results of nodes that nothing is known of, such as those of other domains, are left out.
    """
    types = {value.name: value.type for value in model.graph.input}
    data = {tensor.name: tensor for tensor in model.graph.initializer}
    types |= {name: helper.make_tensor_type_proto(one.data_type, one.dims) for name, one in data.items()}
    small = {name: tensor for name, tensor in data.items() if prod(tensor.dims) <= _MOST_SIZES}
    versions = {entry.domain: entry.version for entry in model.opset_import}
    found = {}
    for node in model.graph.node:
        for name, kind in _types_of(node, types, small, versions).items():
            dims = kind.tensor_type.shape.dim
            if all(dim.HasField("dim_value") for dim in dims) and kind.tensor_type.HasField("shape"):
                types[name] = kind
                found[name] = (tuple(dim.dim_value for dim in dims), kind.tensor_type.elem_type)
        small |= _computed(node, types, small, versions)
    return found


def _types_of(
    node: onnx.NodeProto,
    types: Mapping[str, onnx.TypeProto],
    small: Mapping[str, onnx.TensorProto],
    versions: Mapping[str, int],
) -> dict[str, onnx.TypeProto]:
    """Return the types of a node's results as far as its schema tells them; empty without one."""
    given = [name for name in node.input if name]
    if not all(name in types for name in given):
        return {}
    try:
        schema = onnx.defs.get_schema(node.op_type, versions.get(node.domain, OPSET), node.domain)
        return shape_inference.infer_node_outputs(
            schema,
            node,
            {name: types[name] for name in given},
            {name: small[name] for name in given if name in small},
            opset_imports=[helper.make_opsetid(*entry) for entry in versions.items()],
        )
    except (onnx.defs.SchemaError, shape_inference.InferenceError, onnx.checker.ValidationError):
        return {}


def _computed(
    node: onnx.NodeProto,
    types: Mapping[str, onnx.TypeProto],
    small: Mapping[str, onnx.TensorProto],
    versions: Mapping[str, int],
) -> dict[str, onnx.TensorProto]:
    """Return what a node gives if it is a shape, or computed from such values alone; else nothing."""
    if node.op_type == "Shape" and node.input[0] in types:
        start, end = (attributes(node).get(key) for key in ("start", "end"))
        dims = [dim.dim_value for dim in types[node.input[0]].tensor_type.shape.dim][start:end]
        return {node.output[0]: numpy_helper.from_array(np.array(dims, np.int64), node.output[0])}
    given = {name: small[name] for name in node.input if name in small}
    if given.keys() < {*filter(None, node.input)} or any(
        prod(dim.dim_value for dim in types[name].tensor_type.shape.dim) > _MOST_SIZES
        for name in node.output
        if name in types
    ):
        return {}
    graph = helper.make_graph(
        [node],
        "sizes",
        [helper.make_tensor_value_info(name, one.data_type, one.dims) for name, one in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output],
    )
    try:
        values = ReferenceEvaluator(graph, opsets=dict(versions)).run(
            None, {name: numpy_helper.to_array(tensor) for name, tensor in given.items()}
        )
    except Exception:  # noqa: BLE001 - operators raise many kinds; then its values stay unknown
        return {}
    return {
        name: numpy_helper.from_array(np.asarray(value), name)
        for name, value in zip(node.output, values, strict=False)
    }
