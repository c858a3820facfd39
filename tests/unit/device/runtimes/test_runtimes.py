"""Each runtime against PyTorch's float32 on a small real network, and what each refuses."""

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch

from processors import exact_int8, openvino_bf16
from superres.device.base.errors import UnsupportedError, UserError
from superres.device.frames.pixels import enlarge_bicubic
from superres.device.runtimes import RUNTIMES, load_runtime
from superres.device.runtimes.base import FRAMES, Session, Settings
from superres.device.runtimes.sessions import pytorch as pytorch_session


def to_tensor(frame: np.ndarray) -> torch.Tensor:
    return torch.tensor(frame.astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None]


def expected(network: Any, frame: np.ndarray) -> np.ndarray:
    """The network on one frame, in float64, as unrounded levels."""
    with torch.no_grad():
        upscaled = copy.deepcopy(network).double()(to_tensor(frame).double())
    return (upscaled[0].permute(1, 2, 0) * 255).numpy()


def quantized(x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Quantise to symmetric int8 and back, in float64."""
    return (x / scale).round().clamp(-128, 127) * scale


def expected_int8(network: Any, ranges: list[float], frame: np.ndarray) -> np.ndarray:
    """Compute the Q/DQ graph in float64: quantised input, weights and outputs of each convolution."""
    scales = [torch.tensor(amax / 127).float().double() for amax in ranges]
    x = quantized(to_tensor(frame).double(), scales[0])
    with torch.no_grad():
        for layer, scale in zip(network.convolutions, scales[1:], strict=True):
            weight = layer.weight.double()
            weight_scale = (weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127).float().double()
            size, bias = layer.kernel_size[0], layer.bias.double()
            x = torch.conv2d(torch.relu(x), quantized(weight, weight_scale), bias, padding=size // 2)
            x = quantized(x, scale)
    upscaled = torch.pixel_shuffle(x, 2).clamp(0, 1)
    return (upscaled[0].permute(1, 2, 0) * 255).numpy()


@pytest.fixture
def make(tmp_path) -> Callable[..., tuple[Session, dict[str, Any]]]:
    """Builds a model for a runtime in a precision, and opens it."""

    def build_and_open(
        runtime: str, precision: str, model: Path | None, frames: str = "uint8"
    ) -> tuple[Session, dict[str, Any]]:
        module, settings = load_runtime(runtime), Settings(precision, 2, {"frames": frames})
        facts = module.build(model, tmp_path / "engine.bin", settings)
        return module.open_engine(tmp_path / "engine.bin", settings), facts

    return build_and_open


# Largest difference from unrounded float64 levels: half a level is rounding itself, bf16 has 8 bits.
UINT8 = {"frames": "uint8"}
CASES = [
    ("pytorch", "fp32", 0.51),
    ("pytorch", "bf16", 4.0),
    ("pytorch_tuned", "fp32", 0.51),
    ("onnxruntime", "fp32", 0.51),
    ("openvino", "fp32", 0.51),
    ("openvino_throughput", "fp32", 0.51),
    ("openvino", "bf16", 4.0),
]


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=openvino_bf16 if case[:2] == ("openvino", "bf16") else ()) for case in CASES],
    ids=lambda case: f"{case[0]}-{case[1]}",
)
def test_agrees_with_pytorch_on_frames_of_any_size(case, form, exported, frames, make):
    runtime, precision, tolerance = case
    session, _ = make(runtime, precision, exported.model(runtime, precision, form), form)
    for frame in frames:
        upscaled = session.run(frame)
        assert upscaled.dtype == np.uint8
        assert upscaled.shape == (2 * frame.shape[0], 2 * frame.shape[1], 3)
        assert np.abs(upscaled - expected(exported.network, frame)).max() <= tolerance


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize("runtime", ["pytorch", "pytorch_tuned"])
def test_tuned_means_channels_last(runtime, form, exported, frames, make):
    last = runtime == "pytorch_tuned"
    session, _ = make(runtime, "fp32", exported.model(runtime), form)
    for name, weights in session._program.named_parameters():
        if name.endswith("second.weight"):
            assert weights.is_contiguous(memory_format=torch.channels_last) is last
            assert weights.is_contiguous() is not last
    planes = session.preprocess(frames[0])
    if form == "float32":
        assert planes.is_contiguous(memory_format=torch.channels_last) is last


@exact_int8
@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_int8_is_the_arithmetic_that_the_graph_means(runtime, form, exported, frames, make):
    session, facts = make(runtime, "int8-minmax", exported.model(runtime, "int8-minmax", form), form)
    if runtime == "onnxruntime":
        assert facts == {"int8_convolutions": 3, "float_convolutions": 0}
    else:
        assert sum(facts["convolutions"].values()) == facts["convolutions"]["u8"]
    step = 255 * exported.ranges[-1] / 127
    for frame in frames:
        oracle = expected_int8(exported.network, exported.ranges, frame)
        # The oracle is no float32 in disguise, and clips at both ends.
        assert np.abs(oracle - expected(exported.network, frame)).mean() > 0.5
        assert np.mean(oracle == 0) > 0.02
        assert np.mean(oracle == 255) > 0.02
        difference = np.abs(session.run(frame) - oracle)
        # ONNX Runtime rounds biases to int32, which may move a value on the edge of a step.
        assert np.mean(difference > 0.51) <= (0.02 if runtime == "onnxruntime" else 0)
        assert difference.max() <= 2 * step + 0.51


@pytest.mark.parametrize("runtime", ["pytorch", pytest.param("openvino", marks=openvino_bf16)])
def test_bf16_is_not_fp32_in_disguise(runtime, exported, frames, make):
    file = exported.program if runtime == "pytorch" else exported.fp32
    session, _ = make(runtime, "bf16", file)
    assert np.abs(session.run(frames[0]) - expected(exported.network, frames[0])).max() > 0.6


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_steps_of_a_session_make_up_its_run(runtime, form, exported, frames, make):
    session, _ = make(runtime, "fp32", exported.model(runtime, "fp32", form), form)
    whole = session.run(frames[0]).copy()
    steps = session.postprocess(session.execute(session.preprocess(frames[0])))
    np.testing.assert_array_equal(steps, whole)


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_values_outside_the_range_are_limited_not_wrapped(runtime, form, exported, make):
    # The network's own clip keeps to 0..1; white and black frames reach both ends of it.
    session, _ = make(runtime, "fp32", exported.model(runtime, "fp32", form), form)
    for value in (0, 255):
        frame = np.full((16, 16, 3), value, np.uint8)
        levels = expected(exported.network, frame)
        with torch.no_grad():
            unlimited = exported.network.activations(to_tensor(frame))[-1]
        assert unlimited.min() < -0.05 or unlimited.max() > 1.05
        assert np.abs(session.run(frame) - levels).max() <= 0.51


def test_opencv_is_bicubic_with_a_of_minus_three_quarters(frames, make):
    session, facts = make("opencv", "uint8", None)
    for frame in frames:
        planes = torch.tensor(frame).permute(2, 0, 1)[None].double()
        oracle = torch.nn.functional.interpolate(planes, scale_factor=2, mode="bicubic", align_corners=False)
        oracle = oracle.clamp(0, 255)[0].permute(1, 2, 0).numpy()
        # 11-bit fixed point in each direction.
        assert np.abs(session.run(frame) - oracle).max() <= 1.0
    assert facts["a"] == -0.75
    assert cv2.getNumThreads() == 2


def test_opencv_with_the_kernel_of_matlab(frames, tmp_path):
    module, settings = load_runtime("opencv"), Settings("uint8", 2, {**UINT8, "kernel": "matlab"})
    assert module.build(None, tmp_path / "engine.bin", settings)["a"] == -0.5
    session = module.open_engine(tmp_path / "engine.bin", Settings("uint8", 2, UINT8))
    for frame in frames:
        assert np.array_equal(session.run(frame), enlarge_bicubic(frame, 2))
    with pytest.raises(UserError, match="expected a kernel of opencv, matlab, found 'keys'"):
        module.build(None, tmp_path / "engine.bin", Settings("uint8", 2, {**UINT8, "kernel": "keys"}))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_pytorch_fp16_needs_a_cuda_device(exported, make):
    with pytest.raises(UnsupportedError, match=r"^needs a CUDA device$"):
        make("pytorch", "fp16", exported.program)


@pytest.mark.parametrize(
    ("runtime", "precision"),
    [("pytorch", "int8-minmax"), ("onnxruntime", "bf16"), ("openvino", "uint8"), ("opencv", "fp32")],
)
def test_a_precision_that_a_runtime_lacks_is_unsupported(runtime, precision, exported, make):
    with pytest.raises(UnsupportedError, match=precision):
        make(runtime, precision, exported.fp32)


def test_an_int8_arm_of_a_float_graph_is_refused(exported, make):
    for runtime in ("onnxruntime", "openvino"):
        with pytest.raises(UnsupportedError, match="convolution"):
            make(runtime, "int8-minmax", exported.model(runtime))


@pytest.mark.parametrize("runtime", ["pytorch", "onnxruntime", "openvino"])
def test_a_file_that_is_no_model_is_a_users_mistake(runtime, make, tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"model\.onnx: expected") as caught:
        make(runtime, "fp32", model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_input_has_to_be_called_frame(runtime, exported, make, tmp_path):
    model = onnx.load(exported.model(runtime))
    model.graph.input[0].name = model.graph.node[0].input[0] = "picture"
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(UserError, match=r"'frame'.*picture"):
        make(runtime, "fp32", tmp_path / "other.onnx")


@pytest.mark.parametrize(("form", "file"), [("uint8", "fp32.onnx"), ("float32", "fp32.uint8.onnx")])
def test_a_graph_in_the_other_form_is_a_users_mistake(form, file, exported, make):
    with pytest.raises(UserError, match=rf"expected one {form} input named 'frame'"):
        make("onnxruntime", "fp32", exported.fp32.with_name(file), form)


def test_opencv_takes_no_planes(make):
    with pytest.raises(UnsupportedError, match="uint8 frames only, not float32"):
        make("opencv", "uint8", None, "float32")


@pytest.mark.parametrize("options", [{}, {"frames": "uint16"}])
def test_what_an_engine_takes_has_to_be_said(options):
    with pytest.raises(UserError, match="expected frames as uint8 or float32, found"):
        _ = Settings("fp32", 1, options).frames


def test_every_runtime_says_its_version():
    for name in RUNTIMES:
        found = load_runtime(name).versions()
        # NVIDIA's are asked only where they are, and where that is safe.
        assert found or name.startswith("tensorrt")
        assert all(version[0].isdigit() for version in found.values())


def test_an_unknown_runtime_and_a_missing_package_are_told_apart(monkeypatch):
    with pytest.raises(UserError, match=r"expected one of .*onnxruntime, .*found 'tensorflow'"):
        load_runtime("tensorflow")
    monkeypatch.setitem(RUNTIMES, "other", "package_that_is_not_there")
    with pytest.raises(UserError, match=r"package 'package_that_is_not_there'.*install"):
        load_runtime("other")


@pytest.mark.parametrize(("capability", "native"), [((7, 2), False), ((8, 0), True), ((8, 7), True)])
def test_bf16_on_a_gpu_is_native_from_ampere_on(capability, native, monkeypatch):
    """Xavier is 7.2, Orin 8.7; older PyTorch has no other name to ask by."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.delattr(torch.cuda, "is_bf16_supported")
    assert pytorch_session._is_native("bf16", torch.device("cuda")) is native


@pytest.mark.parametrize("name", ["device_time_total", "cuda_time_total"])
def test_the_time_on_a_gpu_has_another_name_in_older_pytorch(name):
    event = SimpleNamespace(name="aten::relu", cpu_parent=None, input_shapes=[[1, 3, 4, 4]], **{name: 1500.0})
    (time,) = pytorch_session._layer_times(0, [event], queued=True)
    assert time.ms == 1.5
