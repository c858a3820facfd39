"""Frames on both sides of an ONNX graph: what a network is given that doesn't end in blocks of pixels.

An engine of such a graph takes a uint8 frame 1 x H x W x 3 and gives a uint8 frame 1 x 2H x 2W x 3: nothing
is left to be done outside. Networks that end in DepthToSpace are faster as `blocks`, `levels` or
`channels_last`, which write this graph for all others, such as ESPCN_YCbCr with its colour conversion at the
end.
"""

from pathlib import Path

import onnx

from superres.device.runtimes.base import INPUT, OUTPUT
from superres.models.graphs.editor import GraphEditor, check_ends
from superres.models.graphs.onnx_file import load_onnx


def frame_graph(onnx_path: Path) -> onnx.ModelProto:
    """A network on float32 planes, in FP32 or as a Q/DQ graph, as one from uint8 frames to uint8 frames.

    Input `frame` uint8 1 x H x W x 3, output `upscaled` uint8 1 x 2H x 2W x 3: round(255 x), half to even,
    limited to 0..255, of what the network gives for frame / 255. The network's own clip to [0, 1], which
    these limits contain, goes. The opset stays. Raises UserError if it is not such a network.
    """
    model = load_onnx(onnx_path)
    check_ends(model, onnx_path)
    graph = GraphEditor(model.graph)
    source = graph.take_clip()
    graph.add_front(lambda: graph.add_planes(INPUT))
    graph.add("Transpose", [graph.add_levels(source)], OUTPUT, perm=[0, 2, 3, 1])
    graph.finish((1, "H", "W", 3), (1, "2H", "2W", 3))
    return model
