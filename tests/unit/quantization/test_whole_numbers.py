"""Q/DQ graphs with power-of-two scales in whole numbers, against the same graphs in the runtimes and in
float64.

What must hold: a level of a hidden tensor is never another one than in ONNX Runtime, which computes these
sums exactly too. So the pictures differ only where the last step, in float there, falls on the other side of
a tie.
"""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest

from processors import MACHINE, exact_int8
from superres.device.frames.pixels import from_blocks
from superres.device.machine.facts import adds_in_16_bits
from superres.models.export import export_onnx
from superres.models.graphs.uint8.blocks import write_blocks
from superres.models.weights import pretrained
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.recipes import STEPS as TAKEN
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, refine_onnx

from .network import calibrate, convolve, network_weights, to_space, write_set
from .whole_numbers import convolutions, divided, exact_levels, rounded, run, upscale


def picture(height: int, width: int, seed: int = 7) -> np.ndarray:
    """A frame with smooth parts, edges and noise, whose extremes are 0 and 255."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    smooth = 120 + 90 * np.sin(x / 7 + y / 11)[..., None] * [1, 0.8, -0.6]
    edges = 60.0 * ((x // 9 + y // 6) % 2)[..., None]
    frame = np.clip(smooth + edges + random.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)
    frame[0, :2] = [[0] * 3, [255] * 3]
    return frame


def planes(frame: np.ndarray) -> np.ndarray:
    return np.moveaxis(frame, 2, 0)[None].astype(np.float32) / np.float32(255)


def make(network: Path, steps: tuple[str, ...], folder: Path) -> Path:
    """The Q/DQ graph of a recipe, calibrated on one image."""
    data = FrameFile(write_set(folder, [picture(48, 64)]))
    onnx_path, ranges = network, folder / "r.json"
    calibrate(network, data, ranges)
    settings = {"adaround": {"images": 1, "pixels": 300, "seed": 0}, "pow2search": {"images": 1, "sweeps": 1}}
    for step in steps:
        name = f"{ranges.stem}+{step}"
        after = (folder / f"{name}.onnx", folder / f"{name}.json")
        job = StepJob(
            "small",
            CalibrationSettings(name="some", method="minmax"),
            data,
            TAKEN[step].settings(**settings.get(step, {})),
            measured=folder / "r.npz",
        )
        refine_onnx(onnx_path, ranges, step, job, onnx_out=after[0], ranges_out=after[1])
        onnx_path, ranges = after
    out = folder / "int8.onnx"
    quantize_onnx(onnx_path, ranges, out)
    return out


def in_onnxruntime(path: Path, frame: np.ndarray, *, optimised: bool) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": planes(frame)})[0])[0]


def in_openvino(path: Path, frame: np.ndarray) -> np.ndarray:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled(planes(frame))[0])[0]


def assert_same_picture(
    graph: onnx.ModelProto, frame: np.ndarray, found: np.ndarray, off: float, often: float = 1e-3
) -> None:
    """A runtime's float output: within `off` levels of the exact ones, and the same frame except at ties."""
    exact = exact_levels(graph, frame)
    assert np.abs(found * np.float64(255) - np.clip(exact, 0, 255)).max() <= off
    pixels = np.rint(found * np.float32(255))
    differs = pixels != upscale(graph, frame).transpose(2, 0, 1)
    assert np.abs(exact - np.floor(exact) - 0.5)[differs].max(initial=0) <= max(off, 1e-5)
    assert np.mean(differs) < often


OPTIMISED = (False,) if adds_in_16_bits(MACHINE) else (False, True)
"""Whether ONNX Runtime fuses INT8 convolutions: not where their sums overflow."""

STEPS = [("pow2",), ("pertensor", "pow2"), ("center", "pow2"), ("asymmetric", "pow2"), ("equalize", "pow2")]


@pytest.mark.parametrize("steps", STEPS, ids="+".join)
def test_a_graph_of_plain_convolutions_is_equal_to_the_last_bit(
    network: Path, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    path, frame = make(network, steps, tmp_path), picture(37, 29, 8)
    graph = onnx.load(path)
    for optimised in OPTIMISED:
        assert_same_picture(graph, frame, in_onnxruntime(path, frame, optimised=optimised), 0)


@pytest.mark.parametrize("optimised", OPTIMISED)
def test_a_graph_on_frames_differs_at_ties_alone(network: Path, tmp_path: Path, optimised: bool) -> None:
    path, blocks, frame = make(network, ("pow2",), tmp_path), tmp_path / "blocks.onnx", picture(60, 71, 13)
    write_blocks(path, blocks)
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(blocks, options, providers=["CPUExecutionProvider"])
    found = np.empty((120, 142, 3), np.uint8)
    from_blocks(np.asarray(session.run(None, {"frame": frame[None]})[0])[0], found, 2)
    graph = onnx.load(path)
    exact, wanted = exact_levels(graph, frame).transpose(1, 2, 0), upscale(graph, frame)
    differs = found != wanted
    assert np.abs(found.astype(int) - wanted).max() <= 1 and np.mean(differs) < 1e-3
    # A half is 127.5 levels: QuantizeLinear by float32(1 / 255), which is above 1 / 255, finds it below the
    # tie.
    assert np.abs(exact - np.floor(exact) - 0.5)[differs].max(initial=0) <= 2e-5


NETWORK_STEPS = [("pow2",), ("center", "pow2"), ("pow2search",)]


def shipped(folder: Path) -> Path:
    """ESPCN_RGB with its shipped weights."""
    network = folder / "fp32.onnx"
    export_onnx("espcn_rgb", pretrained("espcn_rgb"), network)
    return network


@pytest.mark.parametrize("steps", NETWORK_STEPS, ids="+".join)
def test_a_networks_picture_is_that_of_onnxruntime(steps: tuple[str, ...], tmp_path: Path) -> None:
    path, frame = make(shipped(tmp_path), steps, tmp_path), picture(45, 52, 9)
    graph = onnx.load(path)
    for optimised in OPTIMISED:
        assert_same_picture(graph, frame, in_onnxruntime(path, frame, optimised=optimised), 0)


@exact_int8
@pytest.mark.parametrize("steps", NETWORK_STEPS, ids="+".join)
def test_a_networks_picture_is_nearly_that_of_openvino(steps: tuple[str, ...], tmp_path: Path) -> None:
    path, frame = make(shipped(tmp_path), steps, tmp_path), picture(45, 52, 9)
    # OpenVINO's own scales needn't be exact: now and then a hidden level comes out one higher or lower.
    wanted = upscale(onnx.load(path), frame).transpose(2, 0, 1)
    differs = np.rint(in_openvino(path, frame) * np.float32(255)) != wanted
    assert np.mean(differs) < 0.02


def test_it_is_the_network_in_float64(network: Path, tmp_path: Path) -> None:
    path, frame = make(network, ("pow2",), tmp_path), picture(21, 18, 11)
    record = json.loads((tmp_path / "r.json").read_text())["tensors"]
    data = np.moveaxis(frame, 2, 0) / 255
    for name, (weights, bias) in zip(("frame", "r1", "r2"), network_weights(), strict=True):
        step = 2.0 ** (np.ceil(np.log2(record[name]["amax"])) - 7)
        data = np.clip(np.rint(data / step), -128, 127) * step
        largest = np.abs(weights.astype(np.float64)).max(axis=(1, 2, 3))
        steps = 2.0 ** (np.ceil(np.log2(np.where(largest > 0, largest, np.inf))) - 7)
        steps[largest == 0] = steps[largest > 0].max()
        levels = np.clip(np.rint(weights / steps[:, None, None, None]), -128, 127)
        data = convolve(
            data, levels * steps[:, None, None, None], np.rint(bias / (steps * step)) * steps * step
        )
        data = np.maximum(data, 0) if name != "r2" else data
    wanted = np.clip(to_space(data), 0, 1) * 255
    graph = onnx.load(path)
    # All of this is exact in float64, except the last product.
    assert np.abs(np.clip(exact_levels(graph, frame), 0, 255) - wanted).max() < 1e-10


def test_sums_fit_into_24_bits(network: Path, tmp_path: Path) -> None:
    """int32 holds them, and float32 exactly in any order: the runtimes must agree."""
    graph = onnx.load(make(network, ("pow2",), tmp_path))
    found = convolutions(graph, picture(12, 13))
    assert len(found) == 3
    for weights, bias in found:
        assert (128 * np.abs(weights).sum(axis=(1, 2, 3)) + np.abs(bias) < 2**24).all()
        assert np.abs(weights).max() <= 128


@exact_int8
def test_biases_off_the_grid_are_rounded_to_it(network: Path, tmp_path: Path) -> None:
    path, frame = make(network, ("pow2", "adaround"), tmp_path), picture(33, 35, 12)
    graph = onnx.load(path)
    # So does ONNX Runtime, but in the last convolution, whose result is a float: there it is half a step of
    # the sums.
    sums = run(graph, frame, [node for node in graph.graph.node if node.op_type == "Conv"][-1].output[0])
    half = 255 * 2.0 ** -(sums.bits.min() + 1)
    assert_same_picture(graph, frame, in_onnxruntime(path, frame, optimised=True), half, often=2 * half)


def test_a_graph_without_power_of_two_scales_has_no_such_form(network: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"frame_quantized/QuantizeLinear: expected powers of two"):
        upscale(onnx.load(make(network, (), tmp_path)), picture(12, 13))


NUMBERS = np.arange(-700, 701)


@pytest.mark.parametrize("bits", [-3, 0, 1, 2, 5, 8, 30])
def test_a_shift_rounds_to_nearest_and_ties_to_even_also_below_zero(bits: int) -> None:
    # Python rounds fractions half to even.
    wanted = [round(Fraction(int(n)) / Fraction(2) ** bits) for n in NUMBERS]
    assert rounded(NUMBERS, bits).tolist() == wanted


@pytest.mark.parametrize("divisor", [2, 6, 255])
def test_a_division_rounds_to_nearest_and_ties_to_even(divisor: int) -> None:
    assert divided(NUMBERS, divisor).tolist() == [round(Fraction(int(n), divisor)) for n in NUMBERS]
