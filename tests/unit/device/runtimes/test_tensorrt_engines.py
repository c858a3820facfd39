"""Every model in every precision through NVIDIA's real parser and builder (TensorRT-RTX), without a GPU."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.models.graphs.uint8.casts import write_casts
from superres.quantization.qdq import quantize_onnx

from ..rtx import assert_int8_convolutions, convolution_types
from ..trt.graphs import MODELS, write_graphs

SIZES = {"smallest": [16, 16], "tuned": [32, 48], "largest": [64, 64]}
FULL = {"smallest": [540, 960], "tuned": [540, 960], "largest": [540, 960]}


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory) -> Path:
    """The folder of a model's ONNX files."""
    return write_graphs(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def rgb(tmp_path_factory) -> Path:
    """The folder of the ONNX files of espcn_rgb."""
    return write_graphs("espcn_rgb", tmp_path_factory.mktemp("rgb"))


def settings(precision: str, frames: str = "float32", sizes: Any = SIZES, **build: Any) -> Settings:
    return Settings(precision, 2, {"frames": frames, "sizes": sizes, "build": build})


@pytest.fixture
def build(tmp_path) -> Callable[..., dict[str, Any]]:
    """Builds an engine as the runtime tensorrt_rtx does; returns the facts of its record."""

    def run(onnx_file: Path, chosen: Settings) -> dict[str, Any]:
        return load_runtime("tensorrt_rtx").build(onnx_file, tmp_path / "engine.bin", chosen)

    return run


def convolutions_of(file: Path) -> list[str]:
    """The names of a graph's convolutions."""
    return [node.name for node in onnx.load(file).graph.node if node.op_type == "Conv"]


def test_every_convolution_of_an_int8_graph_is_int8_by_int8(model):
    assert_int8_convolutions(model / "int8-dummy.onnx")


@pytest.mark.parametrize(("precision", "kind"), [("fp32", "Float"), ("fp16", "Half")])
def test_every_convolution_of_a_float_graph_has_the_type_of_its_file(precision, kind, model):
    types = convolution_types(model / f"{precision}.onnx")
    assert len(types) == len(convolutions_of(model / f"{precision}.onnx"))
    assert set(types.values()) == {(kind, kind)}


def test_a_graph_without_pairs_is_no_int8_graph(model):
    with pytest.raises(AssertionError, match="Float"):
        assert_int8_convolutions(model / "fp32.onnx")


def test_a_convolution_that_was_left_in_float_is_found(model):
    # The file itself doesn't mark it as kept in float.
    quantize_onnx(model / "fp32.onnx", model / "ranges.json", model / "two.onnx", float_layers=["conv2"])
    with pytest.raises(AssertionError, match="conv2"):
        assert_int8_convolutions(model / "two.onnx")


FORMS = [
    (precision, kind, frames)
    for precision, kind in (("fp32", "Float"), ("fp16", "Half"), ("int8-dummy", "Int8"))
    for frames in ("uint8", "float32")
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form[0]}-{form[2]}")
def test_every_model_builds_in_every_precision_for_frames_of_several_sizes(form, model, build, tmp_path):
    precision, kind, frames = form
    file = model / f"{precision}.onnx"
    if frames == "uint8":
        write_casts(file, tmp_path / "casts.onnx")
        file = tmp_path / "casts.onnx"
    facts = build(file, settings(precision, frames, workspace_mib=64, optimization_level=3))
    assert (tmp_path / "engine.bin").stat().st_size > 10_000
    layers = convolutions_of(file)
    skips = layers.count("/skip/Conv")
    expected = {kind: len(layers) - skips}
    if skips:
        # The image path: its file keeps it out of INT8, but not out of FP16.
        skip = "Half" if kind == "Half" else "Float"
        expected[skip] = expected.get(skip, 0) + skips
    assert facts["convolutions"] == expected
    assert facts["strongly_typed"] is True
    assert "TF32" not in facts["flags"]
    assert facts["build"]["workspace_mib"] == 64
    assert facts["sizes"]["tuned"] == (32, 48)
    assert facts["device"] is None


def test_weights_take_half_and_a_quarter_of_the_engine(rgb, build, tmp_path):
    sizes = {}
    for precision in ("fp32", "fp16", "int8-dummy"):
        build(rgb / f"{precision}.onnx", settings(precision))
        sizes[precision] = (tmp_path / "engine.bin").stat().st_size
    weights = sum(numpy_helper.to_array(t).size for t in onnx.load(rgb / "fp32.onnx").graph.initializer)
    # Kernels are in the engine too, others for each type.
    assert sizes["fp32"] > 4 * weights
    assert sizes["fp32"] - sizes["fp16"] == pytest.approx(2 * weights, rel=0.2)


def with_zero_point(value: np.generic) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "frame_zero_point":
                tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), tensor.name))

    return change


def quantize_bias(model: onnx.ModelProto) -> None:
    constants = {
        "bias_levels": np.ones(96, np.int32),
        "bias_scale": np.float32(1e-4),
        "bias_zero": np.int32(0),
    }
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    at = next(i for i, node in enumerate(model.graph.node) if node.op_type == "Conv")
    model.graph.node[at].input[2] = "bias"
    node = helper.make_node("DequantizeLinear", list(constants), ["bias"], name="bias/DequantizeLinear")
    model.graph.node.insert(at, node)


REFUSED = {
    "zero-point": (
        with_zero_point(np.int8(3)),
        r"node frame_quantized/QuantizeLinear \(QuantizeLinear\): .*[Zz]ero point",
    ),
    "uint8": (
        with_zero_point(np.uint8(128)),
        r"node frame_quantized/QuantizeLinear \(QuantizeLinear\): .*[Zz]ero point",
    ),
    "quantised bias": (quantize_bias, r"node bias/DequantizeLinear \(DequantizeLinear\): .*Int32"),
}


def test_an_operator_that_it_lacks_is_named(rgb, build, tmp_path):
    model = onnx.load(rgb / "int8-dummy.onnx")
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Frobnicate"
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(
        UnsupportedError, match=r"^TensorRT 1\.[\d.]+ lacks the operator Frobnicate of this graph$"
    ):
        build(tmp_path / "changed.onnx", settings("int8-dummy"))


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_parser_refuses_is_one_line_with_the_node(change, message, rgb, build, tmp_path):
    model = onnx.load(rgb / "int8-dummy.onnx")
    change(model)
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(
        UserError, match=rf"changed\.onnx: TensorRT 1\.[\d.]+ refuses it: {message}"
    ) as caught:
        build(tmp_path / "changed.onnx", settings("int8-dummy"))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("export it again")


@pytest.mark.parametrize("content", [lambda file: file.read_bytes()[:100_000], lambda file: b"not a model"])
def test_a_truncated_file_is_a_users_mistake(content, rgb, build, tmp_path):
    (tmp_path / "cut.onnx").write_bytes(content(rgb / "fp32.onnx"))
    with pytest.raises(UserError, match=r"cut\.onnx: TensorRT .* refuses it: .*[Ff]ailed to parse"):
        build(tmp_path / "cut.onnx", settings("fp32"))


def test_too_small_a_workspace_says_which_setting_to_raise(rgb, build, tmp_path):
    with pytest.raises(
        UserError, match=r"builds no engine of it: .*workspace.*raise the study's build.workspace_mib"
    ):
        build(rgb / "fp32.onnx", settings("fp32", sizes=FULL, workspace_mib=1))
    assert not (tmp_path / "engine.bin").exists()


def test_a_graph_in_the_other_form_is_a_users_mistake(rgb, build):
    with pytest.raises(UserError, match=r"expected one uint8 input named 'frame', found .*FLOAT"):
        build(rgb / "fp32.onnx", settings("fp32", "uint8"))


def test_an_int8_arm_of_a_float_graph_is_refused(rgb, build):
    with pytest.raises(UnsupportedError, match=r"\{'Float': 3\}.*none in Int8"):
        build(rgb / "fp32.onnx", settings("int8-dummy"))


UNSUPPORTED = [
    (settings("bf16"), "runs fp32, fp16, int8 here, not bf16"),
    (settings("int8-dummy", fp16_fallback=True), "takes every type from the ONNX file.*fp16_fallback"),
    (settings("fp16", dla_core=0), "expected DLA core 0 on this device, found 0 cores"),
]


@pytest.mark.parametrize(("chosen", "message"), UNSUPPORTED)
def test_what_this_tensorrt_lacks_is_unsupported(chosen, message, rgb, build):
    with pytest.raises(UnsupportedError, match=message):
        build(rgb / "int8-dummy.onnx", chosen)


def test_ranges_of_its_own_need_tensorrt_10(rgb, build):
    data = {"type": "random", "kind": "uniform", "seed": 0, "images": 1, "height": 32, "width": 48}
    options = {
        "frames": "float32",
        "sizes": SIZES,
        "build": {},
        "calibration": {"method": "entropy", "data": data},
    }
    with pytest.raises(UnsupportedError, match="10 was the last that did: take int8-NAME"):
        build(rgb / "fp32.onnx", Settings("int8-trt-dummy", 2, options))


def test_a_build_needs_known_settings_and_sizes(rgb, build):
    with pytest.raises(UserError, match=r"build: expected workspace_mib, .*found workspace_mb"):
        build(rgb / "fp32.onnx", settings("fp32", workspace_mb=5))
    with pytest.raises(UserError, match="expected sizes with smallest, tuned, largest, found None"):
        build(rgb / "fp32.onnx", Settings("fp32", 2, {"frames": "float32"}))
