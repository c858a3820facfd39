"""Pictures of networks: no box covers another, all words are inside, a large graph stays readable."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from onnx import TensorProto, helper, numpy_helper

from superres.report.plots import figures
from superres.report.plots.graph_panel import COLOURS
from superres.report.plots.graphs import plot_graphs


def write_graph(path: Path, blocks: int, kinds: int = 1) -> Path:
    """Write a network of residual blocks with Q/DQ before each convolution, and activations in no order."""
    nodes: list[onnx.NodeProto] = []
    constants = [
        numpy_helper.from_array(np.zeros((3, 3, 3, 3), np.float32), "weights"),
        numpy_helper.from_array(np.asarray(0.0123, np.float32), "scale"),
        numpy_helper.from_array(np.asarray(0, np.int8), "zero"),
    ]

    def add(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"t{len(nodes)}"], **attributes))
        return f"t{len(nodes) - 1}"

    random, result = np.random.default_rng(0), "frame"
    for _ in range(blocks):
        grid = add("DequantizeLinear", add("QuantizeLinear", result, "scale", "zero"), "scale", "zero")
        features = add("Conv", grid, "weights", pads=[1] * 4)
        activation = ("Relu", "Sigmoid", "Tanh", "Elu")[random.integers(kinds)]
        result = add("Add", add(activation, features), result)
    nodes.append(helper.make_node("Clip", [result], ["upscaled"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, None, None])
        for name in ("frame", "upscaled")
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], constants)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved, while their style holds."""
    found: list[Figure] = []

    def save(figure: Figure, svg: Path, png: Path) -> None:
        figure.canvas.draw()
        found.append(figure)

    monkeypatch.setattr(figures, "save", save)
    return found


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure: Figure) -> list[tuple[float, ...]]:
    groups = {to_hex(colour) for colour in COLOURS.values()}
    return [
        tuple(map(float, patch.get_window_extent().extents))
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and to_hex(patch.get_facecolor()) in groups
    ]


def test_boxes_and_words_have_room(drawn: list[Figure], tmp_path: Path):
    graphs = [write_graph(tmp_path / f"{name}.onnx", blocks) for name, blocks in (("a", 2), ("b", 5))]
    names = [("espcn_ycbcr", "fp32"), ("espcn_rgb", "int8-entropy")]
    plot_graphs(graphs, Path("a.svg"), Path("a.png"), drawn=names)
    (figure,) = drawn
    found = boxes(figure)
    # Three operators a block, a clip and both ends.
    assert len(found) == (3 * 2 + 3) + (3 * 5 + 3)
    for (ax0, ay0, ax1, ay1), (bx0, by0, bx1, by1) in combinations(found, 2):
        assert min(ax1, bx1) <= max(ax0, bx0) or min(ay1, by1) <= max(ay0, by0)
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.axes[0].texts:
        place = text.get_window_extent()
        assert 0 <= place.x0 < place.x1 <= width and 0 <= place.y0 < place.y1 <= height, text.get_text()
    # The tables' order.
    titles = [text for text in words(figure) if text.startswith("ESPCN")]
    assert titles == ["ESPCN_RGB, INT8 entropy", "ESPCN_YCbCr, FP32"]
    assert words(figure).count("int8 0.0123") == 7
    assert {"Conv 3×3", "3 → 3", "3×H×W float32", "convolution", "Q/DQ pair: type, scale"} <= {*words(figure)}


def test_a_large_network_has_its_block_once(drawn: list[Figure], tmp_path: Path):
    plot_graphs(
        [write_graph(tmp_path / "a.onnx", 400)], Path("a.svg"), Path("a.png"), drawn=[("mine", "fp32")]
    )
    assert len(boxes(drawn[0])) == 6 and "400 times" in words(drawn[0])


def test_what_is_too_large_is_said(drawn: list[Figure], tmp_path: Path):
    path = write_graph(tmp_path / "a.onnx", 400, kinds=4)
    plot_graphs([path], Path("a.svg"), Path("a.png"), drawn=[("mine", "fp32")])
    title, text = words(drawn[0])[:2]
    assert title == "mine, FP32" and text.startswith("Too large to draw: 1201 operators,")
    assert "400 × Add" in text and boxes(drawn[0]) == []


def test_an_operator_that_nothing_is_known_of_is_drawn(drawn: list[Figure], tmp_path: Path):
    path = write_graph(tmp_path / "graph.onnx", 1)
    model = onnx.load(path)
    model.graph.node[-2].op_type = "Magic"
    model.graph.node[-2].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(model, path)
    plot_graphs([path], Path("a.svg"), Path("a.png"), drawn=[("mine", "fp32")])
    # Its result has no shape to write on the arrow.
    assert "Magic" in words(drawn[0])


def test_the_same_bytes_at_every_run(tmp_path: Path):
    path = write_graph(tmp_path / "a.onnx", 3)
    found = []
    for name in ("a", "b"):
        svg, png = tmp_path / f"{name}.svg", tmp_path / f"{name}.png"
        plot_graphs([path], svg, png, drawn=[("mine", "fp32")])
        found.append((svg.read_bytes(), png.read_bytes()))
    assert found[0] == found[1] and len(found[0][1]) > 10_000
