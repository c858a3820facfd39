"""Which INT8 layers need more than 16 bits for the sum of two products."""

import numpy as np
import onnx

from superres.device.base.conventions import UINT8_MAX
from superres.models.graphs.onnx_file import attributes, read_constants

MOST = np.iinfo(np.int16).max // UINT8_MAX
"""The largest sum of two levels of weights, 128, that 255 times it fits in 16 bits."""

_TYPES = (np.int8, np.uint8)
_PAIRED = ("Conv", "MatMul", "Gemm")
_INTEGER = {"QLinearConv": (3, 5), "QLinearMatMul": (3, 5), "MatMulInteger": (1, 3)}
"""Layers on integers, and which inputs are their weights and these weights' zero.

ConvInteger isn't one of them: ONNX Runtime adds its products in 32 bits.
"""


def overflowing(model: onnx.ModelProto) -> list[str]:
    """Return the results of a quantised graph's layers in which two products can exceed 16 bits.

    x86 processors without VNNI add the products of two neighbours with `vpmaddubsw`, which limits the sum to
    32767. Their data is uint8; int8 is shifted to it. So the weights decide: the levels of two neighbours, of
    one sign, must not come to more than 128. Neighbours are channels 0 and 1, 2 and 3, and so on, at one
    place of the kernel. A convolution with groups, or with an odd number of channels, and a product of
    matrices can pair any two inputs that follow each other by row, column and channel: ONNX Runtime and
    oneDNN's general products do. Layers with weights that aren't known don't count.
    """
    constants = read_constants(model)
    writers = {name: node for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        forms = _weights(node, writers, constants)
        if any(_largest_sum(levels, node) > MOST for levels in forms):
            found.append(node.output[0])
    return found


def _weights(
    node: onnx.NodeProto, writers: dict[str, onnx.NodeProto], constants: dict[str, np.ndarray]
) -> list[np.ndarray]:
    """Return the levels that runtimes multiply in an INT8 layer; none of other nodes, and if unknown.

    These are levels above the weights' zero, and for int8 also those stored: ONNX Runtime multiplies by them
    and takes the zero's share away afterwards.
    """
    if node.op_type in _INTEGER:
        stored, zero = (node.input[i] if i < len(node.input) else "" for i in _INTEGER[node.op_type])
        levels = constants.get(stored)
        axis = 0 if node.op_type == "QLinearConv" else -1
    else:
        data = [writers[name] for name in node.input[:2] if name in writers]
        pairs = [pair for pair in data if pair.op_type == "DequantizeLinear"]
        if node.op_type not in _PAIRED or len(pairs) < 2:
            return []
        pair = pairs[1]
        zero, axis = pair.input[2] if len(pair.input) > 2 else "", attributes(pair).get("axis", 1)
        levels = constants.get(pair.input[0])
        if levels is None:
            levels = _rounded(writers.get(pair.input[0]), constants, axis)
    if levels is None or levels.dtype not in _TYPES or (zero and zero not in constants):
        return []
    zeros = constants[zero].astype(np.int32) if zero else np.zeros((), np.int32)
    whole = levels.astype(np.int32)
    return [whole - _along(zeros, whole, axis), *([whole] if levels.dtype == np.int8 and zeros.any() else [])]


def _rounded(
    quantize: onnx.NodeProto | None, constants: dict[str, np.ndarray], axis: int
) -> np.ndarray | None:
    """Return the levels that a QuantizeLinear rounds weights to; None if they aren't known."""
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    weights, scale, zero = ([constants.get(name) for name in quantize.input] + [np.zeros((), np.uint8)])[:3]
    if weights is None or scale is None or zero is None or zero.dtype not in _TYPES:
        return None
    if scale.size not in (1, weights.shape[axis]):
        return None
    limits = np.iinfo(zero.dtype)
    levels = np.rint(weights / _along(scale, weights, axis)) + _along(zero, weights, axis)
    return levels.clip(limits.min, limits.max).astype(zero.dtype)


def _along(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Return one value, or one a channel, in the shape that fits weights."""
    shape = [1] * weights.ndim
    shape[axis] = values.size
    return values.reshape(shape if values.size > 1 else [1] * weights.ndim)


def _largest_sum(levels: np.ndarray, node: onnx.NodeProto) -> int:
    """Return the largest sum of the magnitudes of two neighbours that have one sign."""
    options, step = attributes(node), 1
    if node.op_type.endswith("Conv"):
        step = 2 if options.get("group", 1) == 1 and levels.shape[1] % 2 == 0 else 1
        rows = np.moveaxis(levels, 1, -1).reshape(len(levels), -1)
    else:
        rows = levels if options.get("transB", 0) else levels.swapaxes(-1, -2)
    sides = (np.maximum(rows, 0), np.maximum(-rows, 0))
    return max(int((side[..., :-1:step] + side[..., 1::step]).max(initial=0)) for side in sides)
