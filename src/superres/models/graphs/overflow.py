"""Which INT8 layers need more than 16 bits for the sum of two products."""

import numpy as np
import onnx

from superres.device.base.conventions import UINT8_MAX
from superres.models.graphs.onnx_file import attributes, read_constants

MOST = np.iinfo(np.int16).max // UINT8_MAX
"""The largest sum of two levels of weights, 128, that 255 times it fits in 16 bits."""

_LAYERS = ("Conv", "MatMul", "Gemm")


def overflowing(model: onnx.ModelProto) -> list[str]:
    """Return the results of a Q/DQ graph's layers in which two products can exceed 16 bits.

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
        pairs = [writers.get(name) for name in node.input[:2]] if node.op_type in _LAYERS else []
        if len(pairs) < 2 or any(pair is None or pair.op_type != "DequantizeLinear" for pair in pairs):
            continue
        levels = _levels(pairs[1], writers, constants)
        if levels is not None and _largest_sum(levels, node) > MOST:
            found.append(node.output[0])
    return found


def _levels(
    pair: onnx.NodeProto | None, writers: dict[str, onnx.NodeProto], constants: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Return the levels of weights before a DequantizeLinear, above its zero; None if they aren't known."""
    assert pair is not None
    zero = constants.get(pair.input[2]) if len(pair.input) > 2 else np.zeros((), np.int8)
    if zero is None:
        return None
    axis = attributes(pair).get("axis", 1)
    if pair.input[0] in constants:
        levels = constants[pair.input[0]]
        return levels.astype(np.int32) - _along(zero.astype(np.int32), levels, axis)
    quantize = writers.get(pair.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    weights, scale = (constants.get(name) for name in quantize.input[:2])
    if weights is None or scale is None or scale.size not in (1, weights.shape[axis]):
        return None
    limits = np.iinfo(zero.dtype)
    above = _along(zero.astype(np.int32), weights, axis)
    levels = np.rint(weights / _along(scale, weights, axis)) + above
    return levels.clip(limits.min, limits.max).astype(np.int32) - above


def _along(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Return one value, or one a channel, in the shape that fits weights."""
    shape = [1] * weights.ndim
    shape[axis] = values.size
    return values.reshape(shape if values.size > 1 else [1] * weights.ndim)


def _largest_sum(levels: np.ndarray, node: onnx.NodeProto) -> int:
    """Return the largest sum of the magnitudes of two neighbours that have one sign."""
    options, step = attributes(node), 1
    if node.op_type == "Conv":
        step = 2 if options.get("group", 1) == 1 and levels.shape[1] % 2 == 0 else 1
        rows = np.moveaxis(levels, 1, -1).reshape(len(levels), -1)
    else:
        rows = levels if options.get("transB", 0) else levels.swapaxes(-1, -2)
    sides = (np.maximum(rows, 0), np.maximum(-rows, 0))
    return max(int((side[..., :-1:step] + side[..., 1::step]).max(initial=0)) for side in sides)
