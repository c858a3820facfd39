"""Words for the operators of an ONNX graph: kernel, channels, factors, and the group that they belong to."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.models.graphs.onnx_file import attributes

CONVOLUTION, ACTIVATION, COLOUR = "convolution", "activation", "colour conversion"
ARITHMETIC, RESIZING, MOVING = "arithmetic", "interpolation", "moving data"
QUANTIZATION, END = "quantisation", "input and output"
GROUPS = (CONVOLUTION, ACTIVATION, COLOUR, ARITHMETIC, RESIZING, MOVING, QUANTIZATION, END)
"""The groups of operators, in the order of a legend."""

_SIGNS = {"Mul": "×", "Add": "+", "Sub": "−", "Div": "÷", "Pow": "^"}
_OPERATORS = {
    CONVOLUTION: """Conv ConvTranspose ConvInteger QLinearConv DeformConv MatMul Gemm MatMulInteger
        QLinearMatMul""",
    ACTIVATION: """Relu PRelu LeakyRelu Clip Sigmoid HardSigmoid HardSwish Tanh Gelu Elu Selu Celu Softmax
        Softplus Softsign Mish Swish ThresholdedRelu Erf""",
    RESIZING: "Resize Upsample GridSample",
    MOVING: """Concat Split DepthToSpace SpaceToDepth Reshape Transpose Pad Slice Squeeze Unsqueeze Flatten
        Gather GatherElements GatherND Identity Cast CastLike Expand Tile Shape Size ConstantOfShape Scatter
        ScatterND ScatterElements CenterCropPad""",
    QUANTIZATION: "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
}
_GROUP_OF = {kind: group for group, kinds in _OPERATORS.items() for kind in kinds.split()}


def group_of(kind: str, *, beside: bool, planes: int) -> str:
    """Return the group of an operator.

    Arithmetic on one or two `planes` beside the convolutions (before the first, after the last) converts
    colours: a network adds and scales pictures of three.
    """
    conversion = kind in _SIGNS and beside and planes in (1, 2)
    return _GROUP_OF.get(kind, COLOUR if conversion else ARITHMETIC)


class Constants:
    """The tensors of a graph that don't depend on its input; `in` tells whether a name is one."""

    def __init__(self, graph: onnx.GraphProto, writers: Mapping[str, onnx.NodeProto]):
        self._writers = writers
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._names = set(self._tensors)
        for node in graph.node:
            if node.op_type == "Constant" and (tensor := attributes(node).get("value")) is not None:
                self._tensors[node.output[0]] = tensor
            read = [name for name in node.input if name]
            if node.op_type == "Constant" or (read and all(name in self._names for name in read)):
                self._names.update(node.output)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def stored(self, name: str) -> tuple[tuple[int, ...], str]:
        """Return the shape of weights as stored, and the words of the grid that they are rounded to."""
        words = ""
        while (node := self._writers.get(name)) is not None and name not in self._tensors and node.input:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                words = self.grid(node)
            name = node.input[0]
        return tuple(self._tensors[name].dims) if name in self._tensors else (), words

    def values(self, name: str, most: int = 8) -> list[float | int]:
        """Return the values of a small constant, none of any other tensor."""
        tensor = self._tensors.get(name)
        if tensor is None or np.prod(tensor.dims) > most:
            return []
        return numpy_helper.to_array(tensor).ravel().tolist()

    def grid(self, node: onnx.NodeProto) -> str:
        """Return type and scale of a QuantizeLinear or DequantizeLinear: `int8 0.0157`, `uint8 96 scales`."""
        zero = self._tensors.get(node.input[2]) if len(node.input) > 2 else None
        stored = self._tensors.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        kind = next((tensor.data_type for tensor in (zero, stored) if tensor is not None), 0)
        kind = kind or attributes(node).get("output_dtype") or onnx.TensorProto.UINT8
        name = onnx.TensorProto.DataType.Name(kind).lower()
        scales, _ = self.stored(node.input[1])
        count = int(np.prod(scales))
        if count > 1:
            return f"{name}, {count} scales"
        words = f"{name} {_number(*self.values(node.input[1])[:1])}"
        zeros = self.values(node.input[2]) if zero is not None else [0]
        return words if zeros[:1] == [0] else f"{words} from {_number(*zeros[:1])}"


def describe(node: onnx.NodeProto, constants: Constants) -> tuple[str, tuple[str, ...]]:
    """Return the title of an operator and what else is said of it, a line each."""
    given, kind = attributes(node), node.op_type
    if kind in ("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "MatMul", "Gemm"):
        return _convolution(node, given, constants)
    if kind in _SIGNS:
        return _arithmetic(node, constants)
    words = _WORDS.get(kind, lambda *_: "")(given, [constants.values(name) for name in node.input])
    return kind, (words,) if words else ()


def _convolution(
    node: onnx.NodeProto, given: Mapping[str, Any], constants: Constants
) -> tuple[str, tuple[str, ...]]:
    kind, weights = node.op_type, node.input[3 if node.op_type == "QLinearConv" else 1]
    shape, grid = constants.stored(weights)
    if len(shape) < 2:
        return kind, ()
    groups, title = given.get("group", 1), kind
    if kind in ("MatMul", "Gemm"):
        into, out = shape[-2:] if not given.get("transB") else shape[:-3:-1]
    else:
        title = f"{kind} {'×'.join(map(str, shape[2:]))}"
        into, out = (
            (shape[0], shape[1] * groups) if kind == "ConvTranspose" else (shape[1] * groups, shape[0])
        )
    more = [
        f"stride {max(given['strides'])}" if max(given.get("strides", [1])) > 1 else "",
        f"dilation {max(given['dilations'])}" if max(given.get("dilations", [1])) > 1 else "",
        f"{groups} groups" if groups > 1 else "",
    ]
    lines = (f"{into} → {out}", *filter(None, more), f"weights {grid}" if grid else "")
    return title, tuple(filter(None, lines))


def _arithmetic(node: onnx.NodeProto, constants: Constants) -> tuple[str, tuple[str, ...]]:
    """Return an operator of two tensors with its constant, if it has one: `Mul × 0.299`."""
    kind, sign = node.op_type, _SIGNS[node.op_type]
    for at, name in enumerate(node.input):
        if name in constants:
            values = constants.values(name, 1)
            words = _number(*values) if values else "×".join(map(str, constants.stored(name)[0]))
            return kind, (f"{sign} {words}" if at or kind in ("Mul", "Add") else f"{words} {sign}",)
    return kind, ()


def _number(value: float | None = None) -> str:
    return "" if value is None else f"{value:.4g}".replace("-", "−")


def _listed(values: list[Any]) -> str:
    return ", ".join(map(_number, values))


_Values = list[list[Any]]


def _limits(given: Mapping[str, Any], values: _Values) -> str:
    low, high = (
        _number(*values[at][:1]) if len(values) > at and values[at] else _number(given.get(key))
        for at, key in ((1, "min"), (2, "max"))
    )
    return f"{low} … {high}" if low or high else ""


def _scales(given: Mapping[str, Any], values: _Values) -> str:
    mode = given.get("mode", b"nearest").decode()
    scales = [scale for found in values[1:3] if len(found) == 4 for scale in found[2:]]
    return f"{mode}, ×{_number(max(scales))}" if scales else mode


def _pads(given: Mapping[str, Any], values: _Values) -> str:
    mode = given.get("mode", b"constant").decode()
    pads = (values[1] if len(values) > 1 else []) or given.get("pads", [])
    widest = f"by {_number(max(pads))}, " if pads else ""
    return f"{widest}{'zeros' if mode == 'constant' else mode}"


def _cast(given: Mapping[str, Any], _: _Values) -> str:
    return f"to {helper.tensor_dtype_to_np_dtype(given['to']).name}"


_WORDS: dict[str, Callable[[Mapping[str, Any], _Values], str]] = {
    "Clip": _limits,
    "Resize": _scales,
    "Upsample": _scales,
    "Pad": _pads,
    "Cast": _cast,
    "DepthToSpace": lambda given, _: f"blocks of {given['blocksize']}, {given.get('mode', b'DCR').decode()}",
    "SpaceToDepth": lambda given, _: f"blocks of {given['blocksize']}",
    "Concat": lambda given, _: f"axis {given['axis']}",
    "Split": lambda given, values: (
        f"axis {given.get('axis', 0)}: {_listed(values[1] if len(values) > 1 else given.get('split', []))}"
    ),
    "Transpose": lambda given, _: _listed(given.get("perm", [])),
    "Reshape": lambda given, values: _listed(values[1]),
    "LeakyRelu": lambda given, _: f"slope {_number(given.get('alpha', 0.01))}",
    "Softmax": lambda given, _: f"axis {given.get('axis', -1)}",
}
"""What is said of an operator, from its attributes and the values of its constant inputs."""
