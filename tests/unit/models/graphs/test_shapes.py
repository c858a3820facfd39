"""Shapes of all tensors of graphs that compute sizes themselves, against those of a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.statements import Adoption
from superres.models.graphs.layer_counts import count_layers
from superres.models.graphs.onnx_file import with_outputs
from superres.models.graphs.shapes import known_shapes, known_tensors

from .. import foreign, foreign_sizes

SHAPE = (1, 3, 40, 48)


def windows(path: Path) -> Path:
    return foreign_sizes.windows(path, fixed=False)


@pytest.mark.parametrize("write", [windows, foreign.unshuffled_x4, foreign_sizes.thirds])
def test_shapes_are_those_of_a_run(write: Callable[[Path], Path], tmp_path: Path):
    # Sizes of windows, and of the padding to a multiple, are computed from the frame's.
    out = tmp_path / "fp32.onnx"
    adopt_onnx(write(tmp_path / "foreign.onnx"), out, tmp_path / "adopted.json", Adoption(range="0..1"))
    model = onnx.load(out)
    names = [name for node in model.graph.node for name in node.output]
    session = onnxruntime.InferenceSession(with_outputs(model, names).SerializeToString())
    values = session.run(names, {"frame": np.zeros(SHAPE, np.float32)})
    found = known_tensors(model, SHAPE)
    assert {name: found[name][0] for name in names} == {
        name: np.asarray(value).shape for name, value in zip(names, values, strict=True)
    }
    # Nothing is run: a drawing asks for a frame that no memory holds.
    scale = found["upscaled"][0][2] // SHAPE[2]
    assert known_shapes(model, (1, 3, 5040, 5040))["upscaled"] == (1, 3, 5040 * scale, 5040 * scale)
    # Padding costs a few multiply-adds more.
    for layer in count_layers(model, out):
        assert layer.macs > 0


def test_an_operator_that_nothing_is_known_of_leaves_gaps(tmp_path: Path):
    graph = foreign.Builder()
    graph.add("Relu", ["image"], "known")
    graph.nodes.append(onnx.helper.make_node("Magic", ["known"], ["odd"], domain="com.example.unused"))
    graph.add("Relu", ["odd"], "result")
    model = onnx.load(graph.write(tmp_path / "odd.onnx", [1, 3, "h", "w"], [1, 3, "a", "b"]))
    assert known_shapes(model, SHAPE) == {"image": SHAPE, "known": SHAPE}
