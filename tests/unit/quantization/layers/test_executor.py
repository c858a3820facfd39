"""Graphs without an arm have the form of arms and the size of their frames."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.layers.executor import Executor, open_graph
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import RandomImages

from ..network import calibrate


@pytest.fixture
def graphs(network: Path, tmp_path: Path) -> dict[str, onnx.ModelProto]:
    """The network in FP32 and as a Q/DQ graph."""
    calibrate(network, RandomImages("uniform", 3, 1, 24, 20), tmp_path / "r.json")
    quantize_onnx(network, tmp_path / "r.json", tmp_path / "int8.onnx")
    return {"float": load_onnx(network), "int8": load_onnx(tmp_path / "int8.onnx")}


def test_a_graph_has_the_form_that_arms_have(graphs: dict[str, onnx.ModelProto]) -> None:
    def forms(executor: Executor) -> list[str]:
        return [executor.form_of(graph) for graph in graphs.values()]

    assert forms(Executor("onnxruntime", "uint8", 1)) == ["blocks", "levels"]
    assert forms(Executor("openvino", "uint8", 1)) == ["plain", "channels_last"]
    assert forms(Executor("openvino", "uint8", 1, form="plain")) == ["plain", "plain"]
    assert forms(Executor("onnxruntime", "float32", 1)) == ["plain", "plain"]


def test_engines_of_one_size_take_no_other(graphs: dict[str, onnx.ModelProto]) -> None:
    sized = open_graph(graphs["int8"], Executor("openvino", "uint8", 1, size=(12, 16)))
    free = open_graph(graphs["int8"], Executor("openvino", "uint8", 1))
    frame = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    assert sized.int8_convolutions == free.int8_convolutions == 3
    assert np.abs(sized.session.run(frame).astype(int) - free.session.run(frame)).max() <= 2
    with pytest.raises(UserError, match="the only size that the engine was built for"):
        sized.session.run(frame[1:])
