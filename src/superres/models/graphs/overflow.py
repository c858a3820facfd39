"""Which INT8 convolutions need more than 16 bits for the sum of two products."""

import numpy as np
import onnx

from superres.device.base.conventions import UINT8_MAX
from superres.models.graphs.onnx_file import read_constants

MOST = np.iinfo(np.int16).max // UINT8_MAX
"""The largest sum of two levels of weights, 128, that 255 times it fits in 16 bits."""


def overflowing(model: onnx.ModelProto) -> list[str]:
    """Return the results of a Q/DQ graph's convolutions in which two products can exceed 16 bits.

    x86 processors without VNNI add the products of two channels side by side with `vpmaddubsw`, which limits
    the sum to 32767. Their data is uint8; int8 is shifted to it. So the weights decide: the levels of two
    such channels, of one sign, must not come to more than 128.
    """
    constants = read_constants(model)
    writers = {name: node for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        pair = writers.get(node.input[1]) if node.op_type == "Conv" else None
        if pair is None or pair.op_type != "DequantizeLinear":
            continue
        levels = _levels(pair, writers, constants)
        if levels is not None and _largest_sum(levels) > MOST:
            found.append(node.output[0])
    return found


def _levels(
    pair: onnx.NodeProto, writers: dict[str, onnx.NodeProto], constants: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Return the levels of weights O x I x kh x kw before a DequantizeLinear; None if they aren't known."""
    if pair.input[0] in constants:
        return constants[pair.input[0]].astype(np.int32)
    quantize = writers.get(pair.input[0])
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    weights, scale = (constants.get(name) for name in quantize.input[:2])
    if weights is None or scale is None or scale.size not in (1, len(weights)):
        return None
    return np.rint(weights / scale.reshape(-1, *[1] * (weights.ndim - 1))).astype(np.int32)


def _largest_sum(levels: np.ndarray) -> int:
    """Return the largest sum of the magnitudes of two channels side by side that have one sign."""
    odd = levels.shape[1] % 2
    padded = np.pad(levels, ((0, 0), (0, odd), *[(0, 0)] * (levels.ndim - 2)))
    sides = (np.maximum(padded, 0), np.maximum(-padded, 0))
    return max(int((side[:, ::2] + side[:, 1::2]).max()) for side in sides)
