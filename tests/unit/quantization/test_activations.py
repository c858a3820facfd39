"""Activation functions and products of matrices in INT8: where values are rounded, what runtimes execute."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.device.runtimes import onnxruntime, openvino
from superres.device.runtimes.base import Settings
from superres.device.runtimes.sessions.openvino import runtime_info
from superres.models.graphs.layer_counts import count_layers, float_shares
from superres.models.graphs.onnx_file import EARLY, find_layers, load_onnx, with_outputs
from superres.models.graphs.uint8.casts import write_casts
from superres.models.graphs.uint8.levels import write_levels
from superres.quantization.qdq import describe_layers, quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import RandomImages, read_images
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.ranges.record import read_ranges
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, refine_onnx

Graph = tuple[list[onnx.NodeProto], dict[str, Any]]

FUNCTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Relu": ({}, {}),
    "LeakyRelu": ({"alpha": 0.2}, {}),
    "PRelu": ({}, {"slope": np.linspace(0.1, 0.6, 16, dtype=np.float32).reshape(16, 1, 1)}),
    "Clip": ({}, {"low": np.float32(0), "high": np.float32(6)}),
    "Hardtanh": ({}, {"low": np.float32(-1), "high": np.float32(1)}),
}


def convolutions(function: str) -> Graph:
    """Three convolutions of 16 channels with a function between them, and pixel shuffle."""
    random = np.random.default_rng(2)
    nodes, constants, source = [], {}, "frame"
    attributes, inputs = FUNCTIONS[function]
    for number, (channels, outputs) in enumerate(((3, 16), (16, 16), (16, 12))):
        spread = 1.6 / np.sqrt(9 * channels)
        constants[f"body.{number}.weight"] = random.normal(0, spread, (outputs, channels, 3, 3)).astype(
            np.float32
        )
        constants[f"body.{number}.bias"] = random.normal(0, 0.1, outputs).astype(np.float32)
        names = [source, f"body.{number}.weight", f"body.{number}.bias"]
        source = f"c{number}"
        nodes.append(helper.make_node("Conv", names, [source], source, pads=[1] * 4, kernel_shape=[3, 3]))
        if number < 2:
            kind = "Clip" if function == "Hardtanh" else function
            node = helper.make_node(kind, [source, *inputs], [f"a{number}"], f"a{number}", **attributes)
            nodes.append(node)
            source = f"a{number}"
    nodes.append(helper.make_node("DepthToSpace", [source], ["large"], "large", blocksize=2, mode="CRD"))
    return nodes, constants | inputs


def products(_: str) -> Graph:
    """A convolution, two products over channels of each pixel, and a Gemm-like attention without weights."""
    random = np.random.default_rng(3)
    constants = {
        "first.weight": random.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32),
        "attention.0.weight": random.normal(0, 0.25, (16, 32)).astype(np.float32),
        "attention.1.weight": random.normal(0, 0.2, (32, 12)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["frame", "first.weight"], ["c0"], "c0", pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Transpose", ["c0"], ["pixels"], "pixels", perm=[0, 2, 3, 1]),
        helper.make_node("MatMul", ["pixels", "attention.0.weight"], ["m0"], "m0"),
        helper.make_node("Relu", ["m0"], ["active"], "active"),
        helper.make_node("MatMul", ["active", "attention.1.weight"], ["m1"], "m1"),
        helper.make_node("Transpose", ["m1"], ["planes"], "planes", perm=[0, 3, 1, 2]),
        helper.make_node("DepthToSpace", ["planes"], ["large"], "large", blocksize=2, mode="CRD"),
    ]
    return nodes, constants


def write(path: Path, graph: Graph) -> Path:
    nodes, constants = graph
    constants = constants | {"black": np.float32(0), "white": np.float32(1)}
    nodes = [*nodes, helper.make_node("Clip", ["large", "black", "white"], ["upscaled"], "upscaled")]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", ("h", "w")), ("upscaled", ("a", "b")))
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "network", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return request.param


def quantize(folder: Path, graph: Graph, **choices: Any) -> tuple[Path, Path]:
    """Write a network and its Q/DQ graph, calibrated by minmax on random images."""
    fp32, ranges, out = write(folder / "fp32.onnx", graph), folder / "ranges.json", folder / "int8.onnx"
    images = RandomImages("uniform", 0, 2, 24, 32)
    observe_activations(fp32, images, folder / "observed.npz", model="network", threads=1)
    calibrate_ranges(
        fp32,
        CalibrationSettings(name="some", method="minmax"),
        ranges_out=ranges,
        cache_out=folder / "cache",
        model="network",
        observed=folder / "observed.npz",
    )
    quantize_onnx(fp32, ranges, out, **choices)
    return fp32, out


def run(path: Path, planes: np.ndarray, *, optimised: bool = False) -> np.ndarray:
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": planes})[0])


def frame() -> np.ndarray:
    return np.random.default_rng(9).random((1, 3, 24, 32), np.float32)


def test_the_result_of_a_function_is_rounded_after_it(function: str, tmp_path: Path):
    fp32, int8 = quantize(tmp_path, convolutions(function))
    layers = find_layers(load_onnx(fp32))
    kind = "Clip" if function == "Hardtanh" else function
    assert [layer.activation for layer in layers] == [kind, kind, ""]
    assert [layer.layer for layer in layers] == ["body.0", "body.1", "body.2"]
    # INT8 costs about 1/100 of the values' range, in every function.
    error = np.abs(run(int8, frame()) - run(fp32, frame()))
    assert 1e-4 < np.sqrt(np.mean(error**2)) < 0.02


def test_a_pair_before_a_clip_changes_nothing(tmp_path: Path):
    for function in ("Clip", "Hardtanh"):
        folder = tmp_path / function
        folder.mkdir()
        _, twice = quantize(folder, convolutions(function))
        twice = twice.rename(folder / "twice.onnx")
        _, once = quantize(folder, convolutions(function), pair_before_relu=False)
        count = [node.op_type for node in load_onnx(twice).graph.node].count("QuantizeLinear")
        assert count == [node.op_type for node in load_onnx(once).graph.node].count("QuantizeLinear") + 2
        np.testing.assert_array_equal(run(twice, frame()), run(once, frame()))


def test_onnxruntime_executes_int8(function: str, tmp_path: Path):
    _, int8 = quantize(tmp_path, convolutions(function))
    write_levels(int8, form := tmp_path / "form.onnx")
    facts = onnxruntime.build(form, tmp_path / "engine", Settings("int8-some", 1, {"frames": "uint8"}))
    assert facts == {"int8_convolutions": 3, "float_convolutions": 0}


def test_openvino_executes_int8(function: str, tmp_path: Path):
    _, int8 = quantize(tmp_path, convolutions(function))
    facts = openvino.build(int8, tmp_path / "engine", Settings("int8-some", 1, {"frames": "uint8"}))
    assert facts["int8_convolutions"] == 3


def test_nvidias_builder_executes_int8(function: str, tmp_path: Path):
    from ..device.rtx import assert_int8_convolutions, build_layers

    _, int8 = quantize(tmp_path, convolutions(function))
    assert_int8_convolutions(int8)
    assert build_layers(int8)


def test_forms_for_other_runtimes_round_once(function: str, tmp_path: Path):
    _, int8 = quantize(tmp_path, convolutions(function))
    # Scales and zero-points may be vectors of one, as in networks that others quantised.
    vectors = onnx.load(int8)
    for tensor in vectors.graph.initializer:
        tensor.dims[:] = tensor.dims or [1]
    onnx.save(vectors, int8)
    write_casts(int8, form := tmp_path / "form.onnx")
    graph = load_onnx(form).graph
    assert not [node.name for node in graph.node if EARLY in node.name]
    # The frame and the two results: one pair each, and one for each of three weights.
    assert [node.op_type for node in graph.node].count("QuantizeLinear") == 6


@pytest.mark.parametrize("step", ["balance", "equalize"])
@pytest.mark.parametrize("homogeneous", ["PRelu", "LeakyRelu"])
def test_channels_are_scaled_through_a_slope(step: str, homogeneous: str, tmp_path: Path):
    fp32, _ = quantize(tmp_path, convolutions(homogeneous))
    images = RandomImages("uniform", 0, 2, 24, 32)
    calibration = CalibrationSettings(name="some", method="minmax")
    job = StepJob("network", calibration, images, threads=1, measured=tmp_path / "observed.npz")
    ends = {"onnx_out": tmp_path / "scaled.onnx", "ranges_out": tmp_path / "scaled.json"}
    refine_onnx(fp32, tmp_path / "ranges.json", step, job, **ends)
    np.testing.assert_allclose(run(ends["onnx_out"], frame()), run(fp32, frame()), atol=1e-5)
    # The ranges are those of the scaled graph, before and after the function.
    ranges = read_ranges(ends["ranges_out"], ends["onnx_out"])
    found = with_outputs(load_onnx(ends["onnx_out"]), ["c0", "a0"])
    onnx.save(found, tmp_path / "tapped.onnx")
    session = ort.InferenceSession(str(tmp_path / "tapped.onnx"), providers=["CPUExecutionProvider"])
    seen = [
        [np.asarray(value) for value in session.run(["c0", "a0"], {"frame": image})]
        for _, image in read_images(images)
    ]
    for place, name in enumerate(("c0", "a0")):
        largest = max(np.abs(values[place]).max() for values in seen)
        assert ranges.tensors[name].amax == pytest.approx(largest, rel=1e-5)


@pytest.mark.parametrize("where", ["onnxruntime", "openvino", "rtx"])
def test_products_of_matrices_are_quantised(where: str, tmp_path: Path):
    fp32, int8 = quantize(tmp_path, products(""))
    layers = find_layers(load_onnx(fp32))
    assert [(layer.layer, layer.kind, layer.axis) for layer in layers] == [
        ("first", "Conv", 0),
        ("attention.0", "MatMul", 1),
        ("attention.1", "MatMul", 1),
    ]
    error = run(int8, frame()) - run(fp32, frame())
    assert 1e-4 < np.sqrt(np.mean(error**2)) < 0.02
    scales = {
        t.name: tuple(t.dims) for t in load_onnx(int8).graph.initializer if t.name.endswith("weight_scale")
    }
    assert scales == {
        "first.weight_scale": (16,),
        "attention.0.weight_scale": (32,),
        "attention.1.weight_scale": (12,),
    }
    _EXECUTES[where](int8, tmp_path)


def _onnxruntime_multiplies(int8: Path, folder: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    ort.InferenceSession(str(int8), options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node]
    assert not [kind for kind in kinds if kind in ("MatMul", "FusedMatMul")]
    assert sum(kind in ("QLinearMatMul", "MatMulIntegerToFloat") for kind in kinds) == 2


def _openvino_multiplies(int8: Path, folder: Path) -> None:
    import openvino as ov

    compiled = ov.Core().compile_model(str(int8), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    nodes = compiled.get_runtime_model().get_ordered_ops()
    kinds = [(runtime_info(node, "layerType"), runtime_info(node, "runtimePrecision")) for node in nodes]
    products = [kind for kind in kinds if kind[0] in ("FullyConnected", "MatMul")]
    assert len(products) == 2
    assert {kind for _, kind in products} <= {"u8", "i8"}


def _nvidia_builds(int8: Path, folder: Path) -> None:
    from ..device.rtx import build_layers

    assert build_layers(int8)


_EXECUTES: dict[str, Callable[[Path, Path], None]] = {
    "onnxruntime": _onnxruntime_multiplies,
    "openvino": _openvino_multiplies,
    "rtx": _nvidia_builds,
}


def test_layers_in_float_are_listed_with_their_share(tmp_path: Path):
    _, int8 = quantize(tmp_path, convolutions("PRelu"), float_layers=["body.1"])
    counted = count_layers(load_onnx(int8), int8)
    # Products of each pixel: kernel size, channels in and out.
    assert [layer.macs for layer in counted] == [9 * 3 * 16, 9 * 16 * 16, 9 * 16 * 12]
    total = 9 * 16 * (3 + 16 + 12)
    assert float_shares(counted) == [("body.1", 9 * 16 * 16 / total)]
    record = describe_layers(load_onnx(int8), int8)
    assert record["float_share"] == round(9 * 16 * 16 / total, 6)
    assert record["layers"][1] == {
        "layer": "body.1",
        "operator": "Conv",
        "quantized": False,
        "share": round(9 * 16 * 16 / total, 6),
        "why_float": "the study or a step keeps it in float",
    }


def test_products_count_among_the_multiply_adds(tmp_path: Path):
    _, int8 = quantize(tmp_path, products(""), float_layers=["attention.0"])
    counted = count_layers(load_onnx(int8), int8)
    assert [(layer.operator, layer.macs, layer.quantized) for layer in counted] == [
        ("Conv", 9 * 3 * 16, True),
        ("MatMul", 16 * 32, False),
        ("MatMul", 32 * 12, True),
    ]
