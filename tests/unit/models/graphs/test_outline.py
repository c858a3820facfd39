"""What is said of a graph, against graphs written by hand and counts of the file's own nodes."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.models.export import export_onnx
from superres.models.graphs.operator_words import COLOUR
from superres.models.graphs.outline import Outline, outline_graph
from superres.models.graphs.repeats import fold_repeats
from superres.models.networks import Network
from superres.models.settings import weights_name
from superres.models.weights import save_weights


class Written:
    """A graph in the making: each method returns the name of what it adds."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: np.ndarray | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, source: str, into: int, out: int, size: int = 3, **attributes: Any) -> str:
        weights = self.constant(np.zeros((out, into, size, size), np.float32))
        return self.add("Conv", source, weights, pads=[size // 2] * 4, **attributes)

    def outline(self, path: Path, result: str) -> Outline:
        self.nodes.append(helper.make_node("Clip", [result], ["upscaled"]))
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None, None])
            for name in ("frame", "upscaled")
        ]
        graph = helper.make_graph(self.nodes, "graph", ends[:1], ends[1:], self.constants)
        opset = [helper.make_opsetid("", 21)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
        return outline_graph(path)


@pytest.fixture
def ycbcr(make_network: Callable[..., Network], tmp_path: Path) -> Path:
    weights, path = tmp_path / "weights.safetensors", tmp_path / "fp32.onnx"
    save_weights(make_network(weights_name("espcn_ycbcr")), weights)
    export_onnx("espcn_ycbcr", weights, path)
    return path


def said(outline: Outline, title: str) -> list[tuple[str, ...]]:
    return [box.details for box in outline.boxes if box.title.split()[0] == title]


def texts(outline: Outline) -> list[str]:
    return [arrow.text for arrow in outline.arrows]


def test_every_operator_of_a_network_is_shown_once(ycbcr: Path):
    outline = outline_graph(ycbcr)
    counted = Counter(node.op_type for node in onnx.load(ycbcr).graph.node if node.op_type != "Constant")
    counted.update(["frame", "upscaled"])
    assert Counter(box.title.split()[0] for box in outline.boxes) == counted
    assert [box.title for box in outline.boxes if box.title.startswith("Conv")] == [
        "Conv 5×5",
        "Conv 3×3",
        "Conv 3×3",
    ]
    assert said(outline, "Conv") == [("1 → 96",), ("96 → 48",), ("48 → 4",)]


def test_colour_conversion_is_told_from_the_network(ycbcr: Path):
    outline = outline_graph(ycbcr)
    converting = [(box.title, *box.details) for box in outline.boxes if box.group == COLOUR]
    # BT.601 and its inverse, which has a matrix of four factors; six sums and differences each.
    factors = {words for title, *rest in converting if title == "Mul" for words in rest}
    assert {"× 0.299", "× 0.587", "× 0.114", "× 1.402", "× 1.772"} <= factors
    assert len(converting) == 21


def test_sizes_are_those_of_the_frame(ycbcr: Path):
    found = texts(outline_graph(ycbcr))
    assert found[0] == "3×H×W float32" and found[-1] == "3×2H×2W float32"
    assert "96×H×W float32" in found and "1×2H×2W float32" in found


def test_the_residual_of_a_network_converts_no_colour(tmp_path: Path):
    graph = Written()
    features = graph.conv("frame", 3, 3)
    outline = graph.outline(tmp_path / "a.onnx", graph.add("Add", features, "frame"))
    assert [box.group for box in outline.boxes if box.title == "Add"] == ["arithmetic"]


def test_parts_of_a_frame_and_borders(tmp_path: Path):
    graph = Written()
    pads = graph.constant(np.array([0, 0, 2, 2, 0, 0, 2, 2]))
    wide = graph.add("Pad", "frame", pads, mode="edge")
    small = graph.conv(graph.add("SpaceToDepth", "frame", blocksize=4), 48, 48, strides=[2, 2], group=1)
    back = graph.conv(small, 48, 192, 1)
    result = graph.add("DepthToSpace", back, blocksize=8, mode="CRD")
    flat = graph.add("Transpose", result, perm=[0, 2, 3, 1])
    planes = graph.add("Transpose", flat, perm=[0, 3, 1, 2])
    valid = graph.add("Conv", wide, graph.constant(np.zeros((3, 3, 5, 5), np.float32)))
    outline = graph.outline(tmp_path / "a.onnx", graph.add("Add", planes, valid))
    assert {"3×(H+4)×(W+4) float32", "48×H/4×W/4 float32", "48×H/8×W/8 float32"} <= {*texts(outline)}
    assert "H×W×3 float32" in texts(outline)
    assert said(outline, "Pad") == [("by 2, edge",)]
    assert said(outline, "Conv")[0] == ("48 → 48", "stride 2")


def test_windows_are_parts_of_a_frame(tmp_path: Path):
    graph = Written()
    shape = graph.add("Shape", "frame")
    eight = graph.constant(np.array([8]))
    parts = [
        graph.add("Div", graph.add("Gather", shape, graph.constant(np.array([at]))), eight) for at in (2, 3)
    ]
    three = graph.constant(np.array([3]))
    split = graph.add("Concat", three, parts[0], eight, parts[1], eight, axis=0)
    x = graph.add("Transpose", graph.add("Reshape", "frame", split), perm=[1, 3, 2, 4, 0])
    rows = graph.add("Reshape", x, graph.constant(np.array([-1, 64, 3])))
    outline = graph.outline(tmp_path / "a.onnx", graph.add("Relu", rows))
    # Sizes that the graph computes itself: windows of 8 x 8 pixels.
    assert {"3×H/8×8×W/8×8 float32", "HW/64×64×3 float32"} <= {*texts(outline)}


def quantized(
    graph: Written, name: str, scale: np.ndarray | np.generic, zero: np.ndarray | np.generic, axis: int = 1
) -> str:
    grid = graph.constant(scale), graph.constant(zero)
    attributes = {"axis": axis} if scale.ndim else {}
    whole = graph.add("QuantizeLinear", name, *grid, **attributes)
    return graph.add("DequantizeLinear", whole, *grid, **attributes)


def test_pairs_are_marks_with_type_and_scale(tmp_path: Path):
    graph = Written()
    data = quantized(graph, "frame", np.float32(0.5), np.uint8(3))
    weights = graph.constant(np.zeros((4, 3, 3, 3), np.float32))
    rounded = quantized(graph, weights, np.ones(4, np.float32), np.zeros(4, np.int8), axis=0)
    features = graph.add("Conv", data, rounded, pads=[1] * 4)
    twice = quantized(graph, features, np.float32(0.25), np.int16(0))
    twice = quantized(graph, twice, np.float32(0.125), np.int8(0))
    outline = graph.outline(tmp_path / "a.onnx", graph.conv(twice, 4, 3))
    assert [box.title.split()[0] for box in outline.boxes] == ["frame", "Conv", "Conv", "Clip", "upscaled"]
    assert said(outline, "Conv") == [("3 → 4", "weights int8, 4 scales"), ("4 → 3",)]
    marks = [arrow.marks for arrow in outline.arrows]
    assert marks == [("uint8 0.5 from 3",), ("int16 0.25", "int8 0.125"), (), ()]
    # The arrow goes on from the float tensor.
    assert [(arrow.source, arrow.target) for arrow in outline.arrows] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_a_quantised_tensor_that_something_else_reads_is_no_pair(tmp_path: Path):
    graph = Written()
    grid = graph.constant(np.float32(0.5)), graph.constant(np.uint8(0))
    whole = graph.add("QuantizeLinear", "frame", *grid)
    result = graph.add("DequantizeLinear", graph.add("Transpose", whole, perm=[0, 1, 3, 2]), *grid)
    outline = graph.outline(tmp_path / "a.onnx", result)
    assert [box.title for box in outline.boxes[1:4]] == ["QuantizeLinear", "Transpose", "DequantizeLinear"]
    assert outline.arrows[1].text == "3×H×W uint8"


def test_weights_stored_as_int8(tmp_path: Path):
    graph = Written()
    stored = graph.constant(np.zeros((4, 3, 1, 1), np.int8))
    weights = graph.add(
        "DequantizeLinear", stored, graph.constant(np.float32(0.5)), graph.constant(np.int8(0))
    )
    outline = graph.outline(tmp_path / "a.onnx", graph.conv(graph.add("Conv", "frame", weights), 4, 3))
    assert said(outline, "Conv")[0] == ("3 → 4", "weights int8 0.5")


def blocks(graph: Written, outer: int, inner: int) -> str:
    """Residual blocks of residual blocks, as in RRDB."""
    first = result = graph.conv("frame", 3, 8)
    for _ in range(outer):
        before = result
        for _ in range(inner):
            part = graph.conv(graph.add("Relu", graph.conv(result, 8, 16)), 16, 8)
            result = graph.add("Add", part, result)
        result = graph.add("Add", graph.conv(result, 8, 8), before)
    return graph.conv(graph.add("Add", result, first), 8, 3)


def test_repeated_blocks_are_folded_from_outside_in(tmp_path: Path):
    graph = Written()
    whole = graph.outline(tmp_path / "a.onnx", blocks(graph, outer=150, inner=3))
    # Four operators an inner block, two more an outer one; and frame, first, sum, last, clip, end.
    assert len(whole.boxes) == 150 * (3 * 4 + 2) + 6
    folded = fold_repeats(whole, most=10)
    assert [box.title for box in folded.boxes] == [
        *("frame", "Conv 3×3", "Conv 3×3", "Relu", "Conv 3×3", "Add", "Conv 3×3", "Add"),
        *("Add", "Conv 3×3", "Clip", "upscaled"),
    ]
    assert folded.repeats == {frozenset(range(2, 6)): 3, frozenset(range(2, 8)): 150}
    arrows = {(arrow.source, arrow.target) for arrow in folded.arrows}
    chain = {(at, at + 1) for at in range(11)}
    # Around an inner block, around an outer one, around all.
    assert arrows == chain | {(1, 5), (1, 7), (1, 8)}


def test_a_graph_that_is_small_enough_is_shown_whole(tmp_path: Path):
    graph = Written()
    whole = graph.outline(tmp_path / "a.onnx", blocks(graph, outer=2, inner=2))
    assert fold_repeats(whole, most=len(whole.boxes)) == whole
    assert len(fold_repeats(whole, most=len(whole.boxes) - 1).boxes) < len(whole.boxes)


def test_blocks_that_read_otherwise_are_not_alike(tmp_path: Path):
    graph = Written()
    result, before = graph.conv("frame", 3, 8), graph.conv("frame", 3, 8)
    for at in range(20):
        # Farther back each time.
        result = graph.add("Add", graph.add("Relu", result), [before, result][at % 2 if at > 9 else 0])
    whole = graph.outline(tmp_path / "a.onnx", graph.conv(result, 8, 3))
    folded = fold_repeats(whole, most=5)
    assert max(folded.repeats.values()) <= 10
