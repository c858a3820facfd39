"""Which convolutions overflow 16 bits: by the weights of two channels side by side."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.models.graphs.overflow import overflowing


def graph_of(levels: np.ndarray, stored: str, scale: float = 0.01) -> onnx.ModelProto:
    """One convolution, its weights as float behind a pair, as int8, or without a pair."""
    values = {"scale": np.full(len(levels), scale, np.float32), "zero": np.zeros(len(levels), np.int8)}
    nodes = []
    if stored == "float pair":
        values["w"] = (levels * scale).astype(np.float32)
        nodes.append(helper.make_node("QuantizeLinear", ["w", "scale", "zero"], ["q"], axis=0))
    elif stored == "int8":
        values["q"] = levels.astype(np.int8)
    else:
        values["d"] = (levels * scale).astype(np.float32)
    if stored != "float":
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["d"], axis=0))
    nodes.append(helper.make_node("Conv", ["frame", "d"], ["result"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "c", "h", "w"])
        for name in ("frame", "result")
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "one", ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ([64, 64], False),  # 2 x 64 x 255 = 32640
        ([64, 65], True),
        ([-64, -65], True),
        ([127, -127], False),  # one product takes from the other
        ([127, 0, 0, 127], False),
        ([0, 64, 65, 0], False),  # not side by side in a pair
        ([1, 2, 127], False),  # the third has no neighbour
    ],
)
@pytest.mark.parametrize("stored", ["float pair", "int8", "float"])
def test_two_products_of_one_sign_have_to_fit(channels: list[int], expected: bool, stored: str) -> None:
    levels = np.zeros((2, len(channels), 3, 3), np.int64)
    levels[1, :, 2, 0] = channels
    found = overflowing(graph_of(levels, stored))
    assert found == (["result"] if expected and stored != "float" else [])


def test_the_products_of_a_pair_are_what_fits() -> None:
    assert 255 * (64 + 64) <= np.iinfo(np.int16).max < 255 * (64 + 65)
