"""Names of layers: short, never a number alone, and never the same for two layers."""

import onnx
import pytest
from onnx import TensorProto, helper

from superres.models.graphs.onnx_file import find_convolutions


def _chain(weights: list[str]) -> onnx.ModelProto:
    nodes, x = [], "frame"
    for at, name in enumerate(weights):
        nodes.append(helper.make_node("Conv", [x, name], [f"out{at}"]))
        x = f"out{at}"
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 3, "h", "w"])],
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (["trunk.conv1.weight", "trunk.conv2.weight"], ["conv1", "conv2"]),
        (["body.0.weight", "body.2.weight"], ["body.0", "body.2"]),
        (["a.0.0.weight", "a.1.0.weight", "b.0.weight"], ["a.0.0", "a.1.0", "b.0"]),
        (["backbone.0.conv.weight", "backbone.1.conv.weight"], ["0.conv", "1.conv"]),
        (["0.weight", "1.weight"], ["0", "1"]),
        (["onnx::Conv_12", "onnx::Conv_15"], ["out0", "out1"]),
        (["shared.weight", "shared.weight"], ["out0", "out1"]),
    ],
)
def test_layers_have_names_of_their_own(weights: list[str], expected: list[str]):
    assert [convolution.layer for convolution in find_convolutions(_chain(weights))] == expected
