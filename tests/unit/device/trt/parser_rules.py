"""The rules of TensorRT's ONNX parser for the operators that this pipeline writes, by version.

Facts from github.com/onnx/onnx-tensorrt: builtin_op_importers.cpp, docs/operators.md and docs/Changelog.md. A
rule is a function of a node and its graph, and yields what is wrong.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

VERSIONS = (8.5, 8.6, 10.1)
# The newest opset by docs/operators.md: 17 for 8.5, 19 for 9.2. 8.6 and 10.1 have at least as much.
OPSETS = {8.5: 17, 8.6: 17, 10.1: 19}
_UINT8, _INT8, _INT32, _FLOAT = TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.FLOAT
_REALS = (_FLOAT, TensorProto.FLOAT16)


@dataclass
class Graph:
    """A graph with the types of its tensors and the values of its constants."""

    version: float
    types: Mapping[str, int]
    constants: Mapping[str, np.ndarray]
    writers: Mapping[str, onnx.NodeProto]
    ranks: Mapping[str, int] = field(default_factory=dict)


Rule = Callable[[onnx.NodeProto, Graph], Iterator[str]]


def find_violations(model: onnx.ModelProto, version: float) -> list[str]:
    """Return a line for each node that a version's parser refuses: the node, the rule, what was found."""
    graph = _read(model, version)
    found = list(_check_opset(model, version)) + list(_check_ends(model, graph))
    for node in model.graph.node:
        where = f"{node.name or node.output[0]} ({node.op_type})"
        if node.op_type not in RULES:
            found.append(f"{where}: an operator that no rule is written for")
            continue
        for rule in (uint8_at_the_ends_alone, *RULES[node.op_type]):
            found += [f"{where}: {rule.__name__.replace('_', ' ')}: {what}" for what in rule(node, graph)]
    return found


def _read(model: onnx.ModelProto, version: float) -> Graph:
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    writers = {name: node for node in model.graph.node for name in node.output}
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in values}
    return Graph(version, types, constants, writers, ranks)


def _check_opset(model: onnx.ModelProto, version: float) -> Iterator[str]:
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version > OPSETS[version]:
            yield f"graph: opset at most {OPSETS[version]}: found {entry.version}"


def _check_ends(model: onnx.ModelProto, graph: Graph) -> Iterator[str]:
    for value in (*model.graph.input, *model.graph.output):
        if graph.types[value.name] not in (*_REALS, _UINT8):
            yield f"graph: ends are float or uint8: {value.name} is {_name(graph.types[value.name])}"


def uint8_at_the_ends_alone(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    """TensorRT has uint8 at a network's ends and in casts and copies next to them."""
    if node.op_type in ("Cast", "Transpose"):
        return
    for name in (*node.input, *node.output):
        if graph.types.get(name) == _UINT8:
            yield f"{name} is uint8"


def casts_of_uint8_are_from_and_to_float(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    source, target = graph.types[node.input[0]], _attributes(node)["to"]
    if _UINT8 in (source, target) and not {source, target} <= {_UINT8, *_REALS}:
        yield f"from {_name(source)} to {_name(target)}"
    if target in (TensorProto.DOUBLE, TensorProto.BFLOAT16):
        yield f"to {_name(target)}"


def a_pair_has_scale_and_zero_point(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    if len(node.input) != 3 and graph.version < 9:
        yield f"{len(node.input)} inputs"


def zero_points_are_zero_and_int8(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    if len(node.input) < 3:
        return
    value, kind = graph.constants.get(node.input[2]), graph.types.get(node.input[2])
    if value is None:
        yield f"{node.input[2]} is no constant"
    elif kind != _INT8:
        yield f"{node.input[2]} is {_name(kind)}"
    elif value.any():
        yield f"{node.input[2]} is {value.ravel()[value.ravel() != 0][0]}"


def scales_are_positive_float32(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    value, kind = graph.constants.get(node.input[1]), graph.types.get(node.input[1])
    if value is None:
        yield f"{node.input[1]} is no constant"
    elif kind != _FLOAT:
        yield f"{node.input[1]} is {_name(kind)}"
    elif not (value > 0).all():
        yield f"{node.input[1]} is {value.min()}"


def scale_and_zero_point_have_one_size(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    sizes = [graph.constants[name].size for name in node.input[1:] if name in graph.constants]
    if len(set(sizes)) > 1:
        yield f"{sizes[0]} and {sizes[1]} values"


def scales_of_channels_are_of_weights(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    """Several scales are only for constants, one for each output channel (axis 0 for Conv)."""
    scale = graph.constants.get(node.input[1])
    if scale is None or scale.size == 1:
        return
    weights = _constant_behind(node.input[0], graph)
    axis = _attributes(node).get("axis", 1)
    if weights is None:
        yield f"{scale.size} scales for a tensor that is no constant"
    elif axis != 0 or weights.shape[0] != scale.size:
        yield f"{scale.size} scales along axis {axis} of {weights.shape}"


def no_quantised_bias(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    if graph.types.get(node.input[0]) == _INT32:
        yield f"{node.input[0]} is int32"


def weights_are_constants(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    for name in node.input[1:]:
        if name and _constant_behind(name, graph) is None:
            yield f"{name} is computed"


def float_inputs_are_of_one_type(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    kinds = {graph.types.get(name) for name in node.input if name} & set(_REALS)
    if len(kinds) > 1:
        yield "float32 and float16"


def limits_are_constants(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    for name in node.input[1:]:
        if name and name not in graph.constants:
            yield f"{name} is computed"


def pads_are_constant_int64_without_axes(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    """Pad has the input `axes` from ONNX 1.13 on, and the parser from 10.4 on."""
    pads = graph.constants.get(node.input[1]) if len(node.input) > 1 else None
    if pads is None or pads.dtype != np.int64:
        yield "expected them as a constant, int64"
    if len(node.input) > 3 and node.input[3]:
        yield "found axes"


def modes_of_padding(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    mode = _attributes(node).get("mode", b"constant")
    if mode not in (b"constant", b"edge", b"reflect"):
        yield mode.decode("ascii")


def resize_by_constant_scales(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    if len(node.input) > 3 and node.input[3] and node.input[3] not in graph.constants:
        yield f"sizes {node.input[3]} are computed"
    if len(node.input) > 2 and node.input[2] and node.input[2] not in graph.constants:
        yield f"scales {node.input[2]} are computed"


def modes_of_resize(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    """Cubic is in 8.5 and later; antialias, axes and keep_aspect_ratio_policy are of opset 18."""
    attributes = _attributes(node)
    mode = attributes.get("mode", b"nearest")
    transformations = (b"half_pixel", b"pytorch_half_pixel", b"asymmetric", b"align_corners")
    if mode not in (b"nearest", b"linear", b"cubic"):
        yield mode.decode("ascii")
    if attributes.get("coordinate_transformation_mode", b"half_pixel") not in transformations:
        yield attributes["coordinate_transformation_mode"].decode("ascii")
    if attributes.get("antialias"):
        yield "antialias"


def blocks_of_two_kinds(node: onnx.NodeProto, graph: Graph) -> Iterator[str]:
    if graph.ranks.get(node.input[0], 4) != 4:
        yield f"rank {graph.ranks[node.input[0]]}"
    if _attributes(node).get("mode", b"DCR") not in (b"DCR", b"CRD"):
        yield str(_attributes(node)["mode"])


_PAIR: tuple[Rule, ...] = (
    a_pair_has_scale_and_zero_point,
    zero_points_are_zero_and_int8,
    scales_are_positive_float32,
    scale_and_zero_point_have_one_size,
    scales_of_channels_are_of_weights,
)
_ELEMENTWISE: tuple[Rule, ...] = (float_inputs_are_of_one_type,)
RULES: Mapping[str, tuple[Rule, ...]] = {
    "Add": _ELEMENTWISE,
    "Sub": _ELEMENTWISE,
    "Mul": _ELEMENTWISE,
    "Div": _ELEMENTWISE,
    "Cast": (casts_of_uint8_are_from_and_to_float,),
    "Clip": (limits_are_constants, float_inputs_are_of_one_type),
    "Concat": _ELEMENTWISE,
    "Constant": (),
    "Conv": (weights_are_constants, float_inputs_are_of_one_type),
    "DepthToSpace": (blocks_of_two_kinds,),
    "DequantizeLinear": (*_PAIR, no_quantised_bias),
    "MatMul": _ELEMENTWISE,
    "Pad": (pads_are_constant_int64_without_axes, modes_of_padding),
    "QuantizeLinear": _PAIR,
    "Relu": (),
    "Resize": (resize_by_constant_scales, modes_of_resize),
    "Reshape": (limits_are_constants,),
    "Round": (),
    "Slice": (limits_are_constants,),
    "Split": (limits_are_constants,),
    "Transpose": (),
}


def _constant_behind(name: str, graph: Graph) -> np.ndarray | None:
    """Return a constant, also through Q/DQ pairs and casts."""
    while name not in graph.constants:
        node = graph.writers.get(name)
        if node is None or node.op_type not in ("QuantizeLinear", "DequantizeLinear", "Cast"):
            return None
        name = node.input[0]
    return graph.constants[name]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _name(kind: int | None) -> str:
    return TensorProto.DataType.Name(kind).lower() if kind else "of unknown type"
