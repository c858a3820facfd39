"""The conversion from and to 8-bit frames as part of an ONNX graph, in the form that TensorRT reads.

TensorRT's uint8 lives only at a network's ends, behind a Cast each, and its QuantizeLinear gives no uint8
(https://docs.nvidia.com/deeplearning/tensorrt, `DataType.UINT8`). So all arithmetic is float32 here; TensorRT fuses
it into a kernel before and one behind the network.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from superres.device.runtimes.base import INPUT, OUTPUT
from superres.models.graphs.editor import check_ends
from superres.models.graphs.onnx_file import load_onnx, save_onnx

_PREFIX = "fold_casts"


def write_casts(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes, in any precision, as one on uint8 frames.

    Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x 2H x 2W x 3: round(255 x), half to even,
    limited to 0..255, of what the network gives for frame / 255. The network in between stays as it is. The
    opset stays; the same file gives the same bytes. Raises UserError if it is not such a network.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    network = list(model.graph.node)
    planes, result = f"{_PREFIX}/planes", f"{_PREFIX}/planes_out"
    for node in network:
        node.input[:] = [planes if name == INPUT else name for name in node.input]
        node.output[:] = [result if name == OUTPUT else name for name in node.output]
    constants = {"white": 255.0, "black": 0.0}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32), f"{_PREFIX}/{name}")
        for name, value in constants.items()
    )
    white, black = (f"{_PREFIX}/{name}" for name in constants)
    before = [
        _node("Cast", [INPUT], "levels", to=TensorProto.FLOAT),
        _node("Transpose", [f"{_PREFIX}/levels"], "level_planes", perm=[0, 3, 1, 2]),
        _node("Div", [f"{_PREFIX}/level_planes", white], "planes"),
    ]
    behind = [
        _node("Mul", [result, white], "levels_out"),
        _node("Round", [f"{_PREFIX}/levels_out"], "rounded"),
        _node("Clip", [f"{_PREFIX}/rounded", black, white], "limited"),
        _node("Transpose", [f"{_PREFIX}/limited"], "pixels", perm=[0, 2, 3, 1]),
        helper.make_node(
            "Cast", [f"{_PREFIX}/pixels"], [OUTPUT], name=f"{_PREFIX}/{OUTPUT}", to=TensorProto.UINT8
        ),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*before, *network, *behind])
    model.graph.ClearField("value_info")
    for value, sides in ((model.graph.input[0], "HW"), (model.graph.output[0], ("2H", "2W"))):
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.UINT8, [1, *sides, 3]))
    save_onnx(model, out)


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [f"{_PREFIX}/{output}"], name=f"{_PREFIX}/{output}", **attributes)
