"""Frames and casts: values against the network with the conversion in numpy, and the file's contract."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from superres.device.base.errors import UserError
from superres.models.graphs.uint8.casts import write_casts

from ..test_editor import SIZES, frame_of, oracle, write_network


def run(path: Path, frame: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame})[0])


@pytest.mark.parametrize("limits", [(0.0, 1.0), None])
def test_levels_are_those_of_the_definition(limits, tmp_path):
    write_casts(write_network(tmp_path / "fp32.onnx", limits), tmp_path / "casts.onnx")
    for size in SIZES:
        frame = frame_of(*size)
        found = run(tmp_path / "casts.onnx", frame)
        assert found.dtype == np.uint8 and found.shape == (1, 2 * size[0], 2 * size[1], 3)
        assert np.abs(found[0] - oracle(frame, limits)).max() <= 0.501


def test_the_network_in_between_stays_as_it_is(tmp_path):
    file = write_network(tmp_path / "int8.onnx", quantized=True)
    write_casts(file, tmp_path / "casts.onnx")
    before, after = onnx.load(file).graph, onnx.load(tmp_path / "casts.onnx").graph
    kinds = [node.op_type for node in after.node]
    assert kinds[:3] == ["Cast", "Transpose", "Div"]
    assert kinds[-5:] == ["Mul", "Round", "Clip", "Transpose", "Cast"]
    assert [node.name for node in after.node[3:-5]] == [node.name for node in before.node]
    ends = [*after.input, *after.output]
    assert [value.type.tensor_type.elem_type for value in ends] == [TensorProto.UINT8] * 2
    frame = frame_of(8, 12)
    planes = (frame.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2)
    levels = np.rint(run(file, planes) * np.float32(255)).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(run(tmp_path / "casts.onnx", frame), levels)


def test_a_graph_that_has_frames_already_is_a_users_mistake(tmp_path):
    write_casts(write_network(tmp_path / "fp32.onnx"), tmp_path / "casts.onnx")
    with pytest.raises(UserError, match="expected float32 1 x 3 x H x W as frame"):
        write_casts(tmp_path / "casts.onnx", tmp_path / "again.onnx")
