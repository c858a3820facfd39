import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest
from onnx import numpy_helper

from processors import exact_int8
from superres.device.base.errors import UserError
from superres.quantization.grids import asymmetric_grid, weight_grid
from superres.quantization.qdq import Part, quantize_graph, quantize_onnx
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.record import Ranges, read_ranges

from .network import build_network, calibrate, convolve, network_weights, to_space

DATA = RandomImages("uniform", 3, 1, 24, 20)


@pytest.fixture
def ranges(network: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ranges.json"
    calibrate(network, DATA, path)
    return path


@pytest.fixture
def quantized(network: Path, ranges: Path, tmp_path: Path) -> Path:
    path = tmp_path / "int8.onnx"
    quantize_onnx(network, ranges, path)
    return path


def fake_quantize(values: np.ndarray, scale: np.ndarray | np.float64) -> np.ndarray:
    return np.clip(np.rint(values / scale), -128, 127) * scale


def forward(frame: np.ndarray, amax: dict[str, float]) -> np.ndarray:
    """The quantised network in float64 (scales are float32, as in the graph)."""
    data = frame.astype(np.float64)
    for name, (weights, bias) in zip(("frame", "r1", "r2"), network_weights(), strict=True):
        data = fake_quantize(data, np.float64(np.float32(amax[name] / 127)))
        scales = np.abs(weights.astype(np.float64)).max(axis=(1, 2, 3)) / 127
        scales[scales == 0] = 1
        data = convolve(data, fake_quantize(weights, scales.astype(np.float32)[:, None, None, None]), bias)
        data = np.maximum(data, 0) if name != "r2" else data
    return np.clip(to_space(data), 0, 1)


def run_onnxruntime(
    path: Path, frame: np.ndarray, optimised: Path | None = None, level: int = 99
) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel(level)
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame})[0])


def some_frame(height: int = 18, width: int = 22) -> np.ndarray:
    # On the 8-bit grid of a frame; its brightest values lie just beyond the calibrated range.
    levels = np.random.default_rng(11).integers(0, 256, (1, 3, height, width))
    return (levels / 255).astype(np.float32)


@pytest.mark.parametrize("early", [True, False])
def test_graph_equals_a_float64_quantise_dequantise(
    network: Path, ranges: Path, tmp_path: Path, early: bool
) -> None:
    path = tmp_path / "int8.onnx"
    quantize_onnx(network, ranges, path, pair_before_relu=early)
    amax = {name: entry["amax"] for name, entry in json.loads(ranges.read_text())["tensors"].items()}
    frame = some_frame()
    expected = forward(frame[0], amax)
    found = run_onnxruntime(path, frame, level=0)[0]
    # Float32 sums may fall on the other side of a rounding: one step of r1 or r2, seen through the weights.
    difference = np.abs(found - expected)
    assert difference.max() < 0.02
    assert np.mean(difference > 1e-5) < 0.01
    # The bound means something: the float graph is much farther away.
    assert np.abs(run_onnxruntime(network, frame)[0] - expected).mean() > 100 * difference.mean()


def test_pairs_before_relus_change_no_value(network: Path, ranges: Path, tmp_path: Path) -> None:
    results = []
    for early in (True, False):
        path = tmp_path / f"{early}.onnx"
        quantize_onnx(network, ranges, path, pair_before_relu=early)
        results.append(run_onnxruntime(path, some_frame(), level=0))
    np.testing.assert_array_equal(results[0], results[1])


@exact_int8
def test_onnxruntime_runs_integer_convolutions(quantized: Path, tmp_path: Path) -> None:
    optimised = tmp_path / "optimised.onnx"
    frame = some_frame()
    found = run_onnxruntime(quantized, frame, optimised)
    kinds = [node.op_type for node in onnx.load(optimised).graph.node]
    # The last convolution's output stays float, and onnxruntime has no such integer convolution.
    assert kinds.count("QLinearConv") == 2
    assert sum(kind in ("Conv", "FusedConv") for kind in kinds) == 1
    assert np.abs(found - run_onnxruntime(quantized, frame, level=0)).max() < 0.02


@exact_int8
def test_openvino_runs_integer_convolutions(quantized: Path) -> None:
    compiled = ov.Core().compile_model(quantized, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    facts = [node.get_rt_info() for node in compiled.get_runtime_model().get_ops()]
    precisions = [
        fact["runtimePrecision"].astype(str)
        for fact in facts
        if fact["layerType"].astype(str) == "Convolution"
    ]
    assert len(precisions) == 3
    assert set(precisions) <= {"i8", "u8"}
    frame = some_frame()
    difference = np.abs(compiled(frame)[0] - run_onnxruntime(quantized, frame, level=0))
    assert difference.max() < 0.02
    assert difference.mean() < 1e-3


def test_grids_of_weights_in_closed_form() -> None:
    weights = np.zeros((4, 2, 1, 1), np.float32)
    weights[0, 0] = 127
    weights[1, 1] = -63.5
    weights[2] = 1e-41
    ranges = Ranges({}, {})
    np.testing.assert_array_equal(
        weight_grid(weights, ranges, "w").scale, np.array([1, 0.5, 1, 1], np.float32)
    )
    assert weight_grid(weights, replace(ranges, weights="per-tensor"), "w").scale == 1
    narrow = replace(ranges, weight_amax={"w": [63.5, 127, 254, 1]})
    np.testing.assert_array_equal(
        weight_grid(weights, narrow, "w").scale, np.divide([63.5, 127, 254, 1], 127, dtype=np.float32)
    )


@pytest.mark.parametrize(
    ("low", "high", "amax", "scale", "zero_point"),
    [
        (0.0, 2.55, 2.55, 0.01, 0),
        (0.0, 4.0, 2.55, 0.01, 0),  # clipped
        (0.5, 2.5, 2.55, 0.01, 0),  # a method may go beyond what was seen; 0 is always held
        (-0.55, 2.0, 2.0, 0.01, 55),
        (-4.0, 0.25, 2.3, 0.01, 230),
        (-4.0, -0.25, 2.55, 0.01, 255),
        (None, None, 1.275, 0.01, 128),
    ],
)
def test_asymmetric_grids_in_closed_form(
    low: float | None, high: float | None, amax: float, scale: float, zero_point: int
) -> None:
    grid = asymmetric_grid(low, high, amax)
    assert grid.zero_point.dtype == np.uint8 and grid.scale.dtype == np.float32
    assert grid.scale == pytest.approx(scale, rel=1e-6)
    assert grid.zero_point == zero_point


def test_parts_of_a_convolution_are_quantised_alone(network: Path, ranges: Path) -> None:
    graph, found = onnx.load(network), read_ranges(ranges, network)

    def pairs(parts: dict[str, set[Part]]) -> set[str]:
        nodes = quantize_graph(graph, found, network, parts=parts).graph.node
        return {node.input[0] for node in nodes if node.op_type == "QuantizeLinear"}

    assert pairs({"c1": {"weights"}}) == {"w1"}
    assert pairs({"c3": {"activations"}}) == {"r2"}
    assert pairs({"c3": {"activations"}, "c2": {"weights"}}) == {"r2", "c2", "w2"}
    assert pairs({"c2": {"activations", "weights"}, "c1": {"weights"}}) == {"r1", "c1", "w2", "w1"}
    assert pairs({}) == set()


def test_scales_and_types_in_the_graph(network: Path, ranges: Path, quantized: Path) -> None:
    model = onnx.load(quantized)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    tensors = json.loads(ranges.read_text())["tensors"]
    pairs = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {node.input[0] for node in pairs} == {"frame", "w1", "w2", "w3", "c1", "c2", "r1", "r2"}
    for node in pairs:
        scale, zero = stored[node.input[1]], stored[node.input[2]]
        assert zero.dtype == np.int8 and not zero.any()
        assert scale.dtype == np.float32
        if node.input[0].startswith("w"):
            assert stored[node.input[0]].dtype == np.float32
            assert [(a.name, a.i) for a in node.attribute] == [("axis", 0)]
            amax = np.abs(stored[node.input[0]].astype(np.float64)).max(axis=(1, 2, 3))
            np.testing.assert_allclose(scale, np.where(amax == 0, 1, amax / 127), rtol=1e-7)
        else:
            measured = tensors[node.input[0].replace("c", "r")]["amax"]
            assert scale == np.float32(measured / 127)
    # Biases are read as they are.
    assert [node.input[2] for node in model.graph.node if node.op_type == "Conv"] == ["b1", "b2", "b3"]
    original = onnx.load(network)
    assert model.opset_import == original.opset_import
    assert model.ir_version == original.ir_version


def test_same_inputs_give_the_same_bytes(
    network: Path, ranges: Path, quantized: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.onnx"
    quantize_onnx(network, ranges, again)
    assert again.read_bytes() == quantized.read_bytes()


def test_a_convolution_can_stay_float(network: Path, ranges: Path, tmp_path: Path) -> None:
    path = tmp_path / "mixed.onnx"
    quantize_onnx(network, ranges, path, float_layers=["c1", "c3"])
    quantised = {node.input[0] for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"}
    assert quantised == {"r1", "w2"}
    with pytest.raises(UserError, match="found none beside c1, c2, c3; take one out of float_layers"):
        quantize_onnx(network, ranges, path, float_layers=["c1", "c2", "c3"])
    with pytest.raises(UserError, match="expected layers to keep in float among c1, c2, c3, found c9"):
        quantize_onnx(network, ranges, path, float_layers=["c9"])
    record = json.loads(ranges.read_text())
    for name, mistake in (("r1", None), ("r9", "found no tensor r9")):
        ranges.write_text(json.dumps(record | {"float_convolutions": [name, "c3"]}))
        if mistake is None:
            quantize_onnx(network, ranges, tmp_path / "again.onnx")
            assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
        else:
            with pytest.raises(UserError, match=mistake):
                quantize_onnx(network, ranges, path)


def test_other_readers_keep_the_float_tensor(tmp_path: Path) -> None:
    model = build_network(network_weights())
    # A second path from the frame: its mean over channels, added to the result of the third convolution.
    mean = onnx.helper.make_node("ReduceMean", ["frame"], ["mean"], axes=[1])
    last = next(node for node in model.graph.node if "c3" in node.output)
    last.output[0] = "c3_raw"
    model.graph.node.insert(5, mean)
    model.graph.node.insert(6, onnx.helper.make_node("Add", ["c3_raw", "mean"], ["c3"]))
    fp32, path = tmp_path / "skip.onnx", tmp_path / "skip.int8.onnx"
    onnx.save(model, fp32)
    calibrate(fp32, DATA, tmp_path / "r.json")
    quantize_onnx(fp32, tmp_path / "r.json", path)
    nodes = onnx.load(path).graph.node
    assert [list(node.input) for node in nodes if node.op_type == "ReduceMean"] == [["frame"]]
    assert next(node.input[0] for node in nodes if node.op_type == "Conv") == "frame_dequantized"
    assert run_onnxruntime(path, some_frame()).shape == (1, 3, 36, 44)


@pytest.mark.parametrize("factor", [0.25, 2048.5 / 2048, 4.0])  # the second is the least of entropy
def test_a_clip_to_0_and_1_is_a_relu_where_levels_end_at_1(factor: float, tmp_path: Path) -> None:
    model = build_network(network_weights())
    for relu in [node for node in model.graph.node if node.op_type == "Relu"]:
        relu.op_type = "Clip"
        relu.input.extend(["zero", "one"])
    fp32, ranges, path = (tmp_path / name for name in ("clips.onnx", "r.json", "clips.int8.onnx"))
    onnx.save(model, fp32)
    calibrate(fp32, DATA, ranges)
    record = json.loads(ranges.read_text())
    assert record["tensors"]["r1"]["amax"] == 1.0
    record["tensors"]["r1"]["amax"] = factor
    ranges.write_text(json.dumps(record))
    quantize_onnx(fp32, ranges, path)
    found = onnx.load(path)
    kinds = {name: node.op_type for node in found.graph.node for name in node.output}
    # Levels above that of 1 have to be limited to it; 127 levels of a quarter end before.
    assert (kinds["r1"], kinds["r2"]) == ("Relu" if factor < 2 else "Clip", "Relu")
    result = run_onnxruntime(path, some_frame())
    for node in found.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Clip"
            node.input.extend(["zero", "one"])
    onnx.save(found, path)
    assert np.array_equal(run_onnxruntime(path, some_frame()), result)


def test_ranges_of_another_graph(network: Path, ranges: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    onnx.save(build_network(network_weights(seed=1)), other)
    with pytest.raises(UserError, match="found those of another graph"):
        quantize_onnx(other, ranges, tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.update(extra=tensors["frame"]), "unknown or missing: extra"),
        (lambda tensors: tensors.pop("r1"), "unknown or missing: r1"),
        (
            lambda tensors: tensors["r1"].update(amax=0.0),
            "expected a positive range for tensor r1, found 0.0",
        ),
        (lambda tensors: tensors["r1"].pop("amax"), "expected a ranges file"),
    ],
)
def test_mistakes_in_the_ranges(network: Path, ranges: Path, tmp_path: Path, change, message: str) -> None:
    record = json.loads(ranges.read_text())
    change(record["tensors"])
    ranges.write_text(json.dumps(record))
    with pytest.raises(UserError, match=message):
        quantize_onnx(network, ranges, tmp_path / "x.onnx")


@pytest.mark.parametrize("levels", [0, 128, 64.0, True])
def test_levels_of_weights_that_int8_lacks(
    network: Path, ranges: Path, tmp_path: Path, levels: object
) -> None:
    record = json.loads(ranges.read_text()) | {"weight_levels": levels}
    ranges.write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"ranges\.json: expected weight_levels from 1 to 127, found"):
        quantize_onnx(network, ranges, tmp_path / "x.onnx")


def test_old_opsets_are_refused(tmp_path: Path) -> None:
    model = build_network(network_weights(), opset=12)
    path = tmp_path / "old.onnx"
    onnx.save(model, path)
    calibrate(path, DATA, tmp_path / "r.json")
    with pytest.raises(UserError, match="expected opset 13 or later, found 12"):
        quantize_onnx(path, tmp_path / "r.json", tmp_path / "x.onnx")
