"""Channels-last graphs on frames: the file, and its execution by OpenVINO."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres import models
from superres.device.frames.pixels import from_blocks
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.device.runtimes.openvino import LATENCY
from superres.device.runtimes.sessions.openvino import load_compiled, properties
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import find_convolutions, load_onnx
from superres.models.graphs.uint8.channels_last import write_channels_last
from superres.models.settings import weights_name
from superres.quantization.qdq import quantize_graph
from superres.quantization.ranges.record import Ranges, TensorRange
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import State, StepJob
from superres.quantization.steps import anchor, reducerange

from ..test_editor import write_frames
from .test_blocks import export_unshuffled

WEIGHTS = Path(models.__path__[0]) / "weights"
NAMES = ("espcn_rgb", "espcn_ycbcr_folded", "espcn_anchor", "unshuffled")
SIZE = (40, 56)
SIZES = {"sizes": {key: list(SIZE) for key in ("smallest", "tuned", "largest")}}


def write_forms(folder: Path, name: str, precision: str) -> None:
    """A shipped network, with frames on both sides, and channels-last."""
    path = folder / "plain.onnx"
    if name == "unshuffled":
        export_unshuffled(path)
    else:
        export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", path)
    if precision != "fp32":
        graph = load_onnx(path)
        tensors = {c.data: TensorRange(0.0, 2.0, 1.5) for c in find_convolutions(graph)}
        ranges = Ranges(tensors | {"frame": TensorRange(0.0, 1.0, 1.0)}, origin={}, activation="symmetric")
        onnx.save(quantize_graph(graph, ranges, path), path)
    write_channels_last(path, folder / "channels_last.onnx")
    write_frames(path, folder / "frames.onnx")


def moved(compiled: ov.CompiledModel) -> list[str]:
    """Names of the operations that move values: constants apart, and what OpenVINO has merged into nothing
    (`_fake`)."""
    kinds = {"Reorder", "Transpose", "DepthToSpace"}
    nodes = compiled.get_runtime_model().get_ordered_ops()
    names = [node.get_friendly_name() for node in nodes if node.get_rt_info()["layerType"].value in kinds]
    return [name for name in names if not name.endswith("_fake") and not name.startswith("Constant_")]


@pytest.mark.parametrize("precision", ["fp32", "int8-some"])
@pytest.mark.parametrize("name", NAMES)
def test_openvino_moves_nothing_and_the_picture_stays(tmp_path: Path, name: str, precision: str) -> None:
    write_forms(tmp_path, name, precision)
    runtime, pictures = load_runtime("openvino"), {}
    random = np.random.default_rng(1)
    smooth = np.kron(random.integers(0, 256, (5, 7, 3)), np.ones((8, 8, 1)))
    frame = np.clip(smooth + random.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
    for form in ("frames", "channels_last"):
        engine = tmp_path / form
        settings = Settings(precision, 1, {"frames": "uint8", **SIZES})
        facts = runtime.build(tmp_path / f"{form}.onnx", engine, settings)
        assert facts["sizes"] == SIZES["sizes"]
        session = runtime.open_engine(engine, Settings(precision, 1, {"frames": "uint8"}, facts))
        pictures[form] = session.run(frame).astype(int)
        moves = moved(load_compiled(engine, properties(settings, LATENCY)))
        # In FP32 OpenVINO still transposes the frame itself, six times smaller than the output.
        still = [name for name in moves if "float_frame_0" in name] if precision == "fp32" else []
        # Blocks of 4 x 4 pixels are first split into blocks of 2 x 2.
        moves = [name for name in moves if "from_large_blocks" not in name]
        assert (moves == still) == (form == "channels_last"), moves
    differing = pictures["frames"] - pictures["channels_last"]
    # Float sums in another order: a value next to a tie may go to the other level. In INT8 OpenVINO rounds a
    # hidden sum of exactly half a step to either neighbour, differently in each form.
    assert np.abs(differing).max() <= (1 if precision == "fp32" else 2)
    assert (differing != 0).mean() < (2e-3 if precision == "fp32" else 4e-3)


def test_an_anchor_in_int8_is_one_convolution_from_frame_to_frame(tmp_path: Path) -> None:
    name, fp32 = "plain_c8_m4", tmp_path / "fp32.onnx"
    export_onnx(name, WEIGHTS / f"{name}.safetensors", fp32)
    graph = load_onnx(fp32)
    layers = find_convolutions(graph)
    tensors = {c.data: TensorRange(0.0, 2.0, 1.5) for c in layers} | {"frame": TensorRange(0.0, 1.0, 1.0)}
    tensors[layers[-1].output] = TensorRange(-1.0, 1.0, 1.0)
    state = State(graph, Ranges(tensors, origin={}, activation="asymmetric"))
    job = StepJob(name, CalibrationSettings(name="some", method="minmax"), None)
    state = anchor.apply(reducerange.apply(state, job), job)
    plain = tmp_path / "plain.onnx"
    onnx.save(quantize_graph(state.graph, state.ranges, plain), plain)
    write_channels_last(plain, tmp_path / "channels_last.onnx")
    write_frames(plain, tmp_path / "frames.onnx")
    settings = Settings("int8-some", 1, {"frames": "uint8", **SIZES})
    runtime, engine = load_runtime("openvino"), tmp_path / "engine"
    facts = runtime.build(tmp_path / "channels_last.onnx", engine, settings)
    nodes = load_compiled(engine, properties(settings, LATENCY)).get_runtime_model().get_ordered_ops()
    known = [node.get_rt_info() for node in nodes]
    convolutions = [info for info in known if info["layerType"].value == "Convolution"]
    assert [info["runtimePrecision"].value for info in convolutions] == ["u8"] * 7
    assert {info["outputPrecisions"].value for info in convolutions} == {"u8"}
    # The last one adds the network's output, rounds and limits.
    assert "/Add" in convolutions[-1]["originalLayersNames"].value
    frame = np.random.default_rng(2).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    found = runtime.open_engine(engine, Settings("int8-some", 1, {"frames": "uint8"}, facts)).run(frame)
    session = ort.InferenceSession(tmp_path / "frames.onnx", providers=["CPUExecutionProvider"])
    expected = np.asarray(session.run(None, {"frame": frame[None]})[0])[0]
    assert found.shape == expected.shape == (2 * SIZE[0], 2 * SIZE[1], 3)
    # Half steps are rounded to either side.
    assert np.abs(found.astype(int) - expected).max() <= 2
    assert (found != expected).mean() < 2e-2


def test_division_by_255_is_in_the_weights_of_what_stays_in_float(tmp_path: Path) -> None:
    write_forms(tmp_path, "espcn_anchor", "int8-some")
    tensors = [
        {t.name: numpy_helper.to_array(t) for t in load_onnx(tmp_path / f"{form}.onnx").graph.initializer}
        for form in ("plain", "channels_last")
    ]
    # In the order of a block, 6i + 3j + c, instead of 4c + 2i + j.
    weights = (tensors[0]["skip.weight"] / np.float32(255)).reshape(3, 4, 3, 5, 5)
    np.testing.assert_array_equal(weights.swapaxes(0, 1).reshape(12, 3, 5, 5), tensors[1]["skip.weight"])
    graph = load_onnx(tmp_path / "channels_last.onnx").graph
    pad = next(node for node in graph.node if node.op_type == "Pad")
    assert pad.input[0] == "frame"
    np.testing.assert_array_equal(tensors[1][pad.input[1]], [0, 2, 2, 0, 0, 2, 2, 0])
    read = {name for node in graph.node for name in node.input}
    assert {t.name for t in graph.initializer} <= read


def test_what_a_relu_limits_is_rounded_once_behind_it(tmp_path: Path) -> None:
    write_forms(tmp_path, "espcn_rgb", "int8-some")
    graph = load_onnx(tmp_path / "channels_last.onnx").graph
    writers = {name: node.op_type for node in graph.node for name in node.output}
    relus = [node for node in graph.node if node.op_type == "Relu"]
    assert len(relus) == 2 and all(writers[node.input[0]] == "Conv" for node in relus)
    # The same levels, by a runtime that computes the graph as written.
    pictures = []
    for form in ("frames", "channels_last"):
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(tmp_path / f"{form}.onnx", options, providers=["CPUExecutionProvider"])
        frame = np.random.default_rng(5).integers(0, 256, (1, 24, 32, 3), np.uint8)
        pictures.append(np.asarray(session.run(None, {"frame": frame})[0]))
    upscaled = np.empty((48, 64, 3), np.uint8)
    from_blocks(pictures[1][0], upscaled, 2)
    np.testing.assert_array_equal(pictures[0][0], upscaled)


def test_pairs_of_unequal_scales_stay(tmp_path: Path) -> None:
    write_forms(tmp_path, "espcn_rgb", "int8-some")
    model = load_onnx(tmp_path / "plain.onnx")
    changed = [t for t in model.graph.initializer if "Relu" in t.name and t.name.endswith("_scale")]
    for tensor in changed:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(0.5), tensor.name))
    onnx.save(model, tmp_path / "unequal.onnx")
    write_channels_last(tmp_path / "unequal.onnx", tmp_path / "folded.onnx")
    kinds = [
        [n.op_type for n in load_onnx(tmp_path / name).graph.node] for name in ("plain.onnx", "folded.onnx")
    ]
    # One more for the levels of the frame.
    assert changed and kinds[1].count("QuantizeLinear") == kinds[0].count("QuantizeLinear") + 1


@pytest.mark.parametrize(("precision", "last"), [("fp32", "Cast"), ("int8-some", "QuantizeLinear")])
def test_levels_are_made_by_an_int8_convolution_or_by_a_cast(
    tmp_path: Path, precision: str, last: str
) -> None:
    write_forms(tmp_path, "espcn_rgb", precision)
    kinds = [node.op_type for node in load_onnx(tmp_path / "channels_last.onnx").graph.node]
    assert kinds[-2:] == [last, "Transpose"]
    assert ("Div" in kinds) == (precision != "fp32")


def test_a_network_that_does_not_end_in_blocks_is_given_frames(tmp_path: Path) -> None:
    write_forms(tmp_path, "espcn_ycbcr", "fp32")
    assert (tmp_path / "channels_last.onnx").read_bytes() == (tmp_path / "frames.onnx").read_bytes()


@pytest.mark.parametrize(
    ("mode", "value", "folded"), [("edge", 0.0, True), ("constant", 0.0, True), ("constant", 0.5, False)]
)
def test_a_padding_moves_to_the_frame_unless_it_adds_what_is_no_zero(
    tmp_path: Path, mode: str, value: float, folded: bool
) -> None:
    weights = np.random.default_rng(3).normal(0, 0.3, (12, 3, 3, 3)).astype(np.float32)
    inputs = ["frame", "pads", "value"] if mode == "constant" else ["frame", "pads"]
    nodes = [
        helper.make_node("Pad", inputs, ["padded"], mode=mode),
        helper.make_node("Conv", ["padded", "w"], ["features"]),
        helper.make_node("DepthToSpace", ["features"], ["upscaled"], blocksize=2, mode="CRD"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", "HW"), ("upscaled", ("H2", "W2")))
    ]
    tensors = {
        "w": weights,
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "value": np.float32(value),
    }
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    write_channels_last(tmp_path / "m.onnx", tmp_path / "channels_last.onnx")
    kinds = [node.op_type for node in load_onnx(tmp_path / "channels_last.onnx").graph.node]
    assert ("Div" not in kinds) == folded
    assert (kinds.index("Pad") < kinds.index("Transpose")) == folded
    write_frames(tmp_path / "m.onnx", tmp_path / "frames.onnx")
    runtime, frame = load_runtime("openvino"), np.random.default_rng(4).integers(0, 256, (9, 11, 3), np.uint8)
    pictures = []
    for form in ("frames", "channels_last"):
        settings = Settings("fp32", 1, {"frames": "uint8"})
        facts = runtime.build(tmp_path / f"{form}.onnx", tmp_path / form, settings)
        session = runtime.open_engine(tmp_path / form, Settings("fp32", 1, {"frames": "uint8"}, facts))
        pictures.append(session.run(frame).astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
    assert (pictures[0] != pictures[1]).mean() < 2e-3


def test_same_file_same_bytes(tmp_path: Path) -> None:
    write_forms(tmp_path, "espcn_anchor", "int8-some")
    write_channels_last(tmp_path / "plain.onnx", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "channels_last.onnx").read_bytes()
