"""FP16 written into the graph itself, for strongly typed runtimes (TensorRT 11, RTX)."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import load_onnx, save_onnx

# Inputs that are float32 in ONNX for any type of data.
_FLOAT_INPUTS = {"Resize": (1, 2)}
_LARGEST = float(np.finfo(np.float16).max)


def convert_fp16(onnx_path: Path, out: Path) -> None:
    """Write an FP32 network that computes in FP16: weights in float16, a Cast at each end.

    Input and output stay float32, as in every precision: levels are rounded in float32. All else is float16,
    also the `skip` convolution of folded networks, which INT8 keeps in float: a step of float16 is at most
    1/8 of a pixel's level. The opset stays; the same file gives the same bytes. Raises UserError for weights
    that float16 can't hold.
    """
    model = load_onnx(onnx_path)
    graph = model.graph
    ends = [(value.name, value.type.tensor_type.elem_type) for value in (*graph.input, *graph.output)]
    if len(ends) != 2 or any(kind != TensorProto.FLOAT for _, kind in ends):
        raise UserError(
            f"{onnx_path}: expected one float32 input and one output, found {ends}; export it again"
        )
    (source, _), (result, _) = ends
    _halve_constants(graph, onnx_path)
    for node in graph.node:
        node.input[:] = [f"{source}_half" if name == source else name for name in node.input]
        node.output[:] = [f"{result}_half" if name == result else name for name in node.output]
    casts = (
        helper.make_node(
            "Cast", [source], [f"{source}_half"], name=f"{source}/to_half", to=TensorProto.FLOAT16
        ),
        helper.make_node(
            "Cast", [f"{result}_half"], [result], name=f"{result}/to_float", to=TensorProto.FLOAT
        ),
    )
    graph.node.insert(0, casts[0])
    graph.node.append(casts[1])
    graph.ClearField("value_info")
    save_onnx(model, out)


def _halve_constants(graph: onnx.GraphProto, path: Path) -> None:
    kept = {
        node.input[position]
        for node in graph.node
        for position in _FLOAT_INPUTS.get(node.op_type, ())
        if position < len(node.input)
    }
    constants = [(tensor.name, tensor) for tensor in graph.initializer]
    constants += [
        (node.output[0], attribute.t)
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    for name, tensor in constants:
        if name not in kept and tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(_half(tensor, name, path))


def _half(tensor: onnx.TensorProto, name: str, path: Path) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    if not (np.abs(values) <= _LARGEST).all():
        raise UserError(
            f"{path}: expected values of {name} within float16's +-{_LARGEST:.0f}, "
            f"found {np.abs(values).max()}; take a precision other than fp16"
        )
    return numpy_helper.from_array(values.astype(np.float16), tensor.name)
