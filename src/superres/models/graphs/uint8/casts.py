"""Graphs from uint8 frames to uint8 frames, in the form that TensorRT reads.

TensorRT has uint8 only at a network's ends, next to a Cast, and its QuantizeLinear gives no uint8
(https://docs.nvidia.com/deeplearning/tensorrt, `DataType.UINT8`). All arithmetic is float32; TensorRT fuses
it into one kernel before and one after the network.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from superres.device.base.conventions import INPUT, OUTPUT
from superres.models.graphs.editor import GraphEditor, check_ends
from superres.models.graphs.onnx_file import load_onnx, save_onnx


def write_casts(onnx_path: Path, out: Path) -> None:
    """Write a network on float32 planes, in any precision, with uint8 frames as both ends.

    Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x sH x sW x 3: round(255 x), half to even,
    limited to 0..255, of what the network gives for frame / 255. Network and opset
    stay; the same file gives the same bytes. Raises UserError if it is not such a network.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    graph = GraphEditor(model)
    # TensorRT fuses a ReLU with its convolution only if no pair separates them.
    graph.round_once()
    planes = graph.rename_output()
    white, black = graph.store("white", np.float32(255)), graph.store("black", np.float32(0))

    def add_planes() -> str:
        levels = graph.add("Cast", [INPUT], "levels", to=TensorProto.FLOAT)
        levels = graph.add("Transpose", [levels], "level_planes", perm=[0, 3, 1, 2])
        return graph.add("Div", [levels, white], "planes")

    graph.add_front(add_planes)
    levels = graph.add("Mul", [planes, white], "levels_out")
    levels = graph.add("Round", [levels], "rounded")
    levels = graph.add("Clip", [levels, black, white], "limited")
    levels = graph.add("Transpose", [levels], "pixels", perm=[0, 2, 3, 1])
    graph.add("Cast", [levels], OUTPUT, to=TensorProto.UINT8)
    graph.finish((1, "H", "W", 3), (1, *graph.larger, 3))
    save_onnx(model, out)
