"""Q/DQ graphs in whole numbers, against the same graphs in the runtimes and against float64.

What must hold: a level of a hidden tensor is never another one than in ONNX Runtime, which computes these sums exactly
too. So the pictures differ only where the last step, in float there, falls on the other side of a tie.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import onnxruntime as ort
import openvino as ov
import pytest
from onnx import helper, numpy_helper

from superres.device import fixed_point
from superres.device.base.errors import UserError
from superres.device.fixed_point import Tables, upscale, upscale_levels
from superres.models.export import export_onnx
from superres.models.graphs.uint8.blocks import write_blocks
from superres.models.settings import NetworkSettings, weights_name
from superres.quantization.fixed_point import tabulate_graph, tabulate_onnx
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import CalibrationSettings, FrameFile
from superres.quantization.steps.base import StepJob
from superres.quantization.steps.refine import refine_onnx

from .network import calibrate, convolve, network_weights, to_space, write_set

WEIGHTS = Path(__file__).parents[3] / "src/superres/models/weights"
MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor")

ROUNDING = 2e-3
"""Levels that a float32 result may be off: see docs/int8.md."""


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
    """The Q/DQ graph of a recipe, calibrated on one picture."""
    data = FrameFile(write_set(folder, [picture(48, 64)]))
    onnx_path, ranges = network, folder / "r.json"
    calibrate(network, data, ranges)
    settings = {"adaround": {"images": 1, "pixels": 300, "seed": 0}}
    for step in steps:
        name = f"{ranges.stem}+{step}"
        after = (folder / f"{name}.onnx", folder / f"{name}.json")
        job = StepJob("small", CalibrationSettings("some", "minmax"), data, settings.get(step, {}))
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


def exact_levels(tables: Tables, frame: np.ndarray) -> np.ndarray:
    """Levels as they are before rounding, 3 x 2H x 2W."""
    return upscale_levels(tables, frame) / 2.0**tables.fraction_bits


def assert_same_picture(
    tables: Tables, frame: np.ndarray, found: np.ndarray, off: float, often: float = 1e-3
) -> None:
    """A runtime's float output: within `off` levels of the exact ones, and the same picture but at ties."""
    exact = exact_levels(tables, frame)
    assert np.abs(found * np.float64(255) - np.clip(exact, 0, 255)).max() <= off
    pixels = np.rint(found * np.float32(255))
    differs = pixels != upscale(tables, frame).transpose(2, 0, 1)
    assert np.abs(exact - np.floor(exact) - 0.5)[differs].max(initial=0) <= max(off, 1e-5)
    assert np.mean(differs) < often


STEPS = [("pow2",), ("pertensor", "pow2"), ("center", "pow2"), ("asymmetric", "pow2"), ("equalize", "pow2")]


@pytest.mark.parametrize("steps", STEPS, ids="+".join)
def test_a_graph_of_plain_convolutions_is_equal_to_the_last_bit(
    network: Path, tmp_path: Path, steps: tuple[str, ...]
) -> None:
    path, frame = make(network, steps, tmp_path), picture(37, 29, 8)
    tables = tabulate_graph(onnx.load(path), path)
    for optimised in (False, True):
        assert_same_picture(tables, frame, in_onnxruntime(path, frame, optimised=optimised), 0)


@pytest.mark.parametrize("optimised", [False, True])
def test_frames_folded_into_the_graph_differ_at_ties_alone(
    network: Path, tmp_path: Path, optimised: bool
) -> None:
    path, folded, frame = make(network, ("pow2",), tmp_path), tmp_path / "uint8.onnx", picture(60, 71, 13)
    write_blocks(path, folded)
    options = ort.SessionOptions()
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(folded, options, providers=["CPUExecutionProvider"])
    found = np.asarray(session.run(None, {"frame": frame[None]})[0])[0].astype(int)
    tables = tabulate_graph(onnx.load(path), path)
    exact, wanted = exact_levels(tables, frame).transpose(1, 2, 0), upscale(tables, frame).astype(int)
    differs = found != wanted
    assert np.abs(found - wanted).max() <= 1 and np.mean(differs) < 1e-3
    # A half is 127.5 levels: QuantizeLinear by float32(1 / 255), which is above 1 / 255, finds it below the tie.
    assert np.abs(exact - np.floor(exact) - 0.5)[differs].max(initial=0) <= 2e-5


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("steps", [("pow2",), ("center", "pow2")], ids="+".join)
def test_a_networks_picture_is_that_of_onnxruntime(
    model: str, steps: tuple[str, ...], tmp_path: Path
) -> None:
    network = tmp_path / "fp32.onnx"
    export_onnx(model, WEIGHTS / f"{weights_name(model)}.safetensors", network)
    path, frame = make(network, steps, tmp_path), picture(45, 52, 9)
    tables = tabulate_graph(onnx.load(path), path)
    off = 0 if model == "espcn_rgb" else ROUNDING
    for optimised in (False, True):
        assert_same_picture(tables, frame, in_onnxruntime(path, frame, optimised=optimised), off)
    # OpenVINO's own scales needn't be exact: now and then a hidden level comes out one higher or lower.
    differs = np.rint(in_openvino(path, frame) * np.float32(255)) != upscale(tables, frame).transpose(2, 0, 1)
    assert np.mean(differs) < 0.02


@pytest.mark.parametrize("chroma", ["bilinear", "nearest"])
def test_chroma_may_be_doubled_otherwise(chroma: str, tmp_path: Path) -> None:
    network = tmp_path / "fp32.onnx"
    settings = NetworkSettings(chroma_upsampling=chroma)  # pyright: ignore[reportArgumentType]
    export_onnx("espcn_ycbcr", WEIGHTS / "espcn_ycbcr.safetensors", network, settings)
    path, frame = make(network, ("pow2",), tmp_path), picture(30, 34, 10)
    tables = tabulate_graph(onnx.load(path), path)
    assert_same_picture(tables, frame, in_onnxruntime(path, frame, optimised=False), ROUNDING)


def test_luma_has_the_level_of_the_graph_for_every_colour(tmp_path: Path) -> None:
    network = tmp_path / "fp32.onnx"
    export_onnx("espcn_ycbcr", WEIGHTS / "espcn_ycbcr.safetensors", network)
    path = make(network, ("pow2",), tmp_path)
    tables = tabulate_graph(onnx.load(path), path)
    quantize = next(i for i, step in enumerate(tables.program) if step.operation == "divide")
    luma = Tables(tables.program[: quantize + 1], 0)
    first = next(node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear")
    part = tmp_path / "luma.onnx"
    onnx.utils.extract_model(str(path), str(part), ["frame"], [first.output[0]])
    session = ort.InferenceSession(part, providers=["CPUExecutionProvider"])
    green, blue = np.mgrid[:256, :256].astype(np.uint8)
    for red in range(0, 256, 16):
        frame = np.concatenate([np.stack([np.full_like(green, red + i), green, blue], 2) for i in range(16)])
        (wanted,) = session.run(None, {"frame": planes(frame)})
        assert np.array_equal(upscale_levels(luma, frame), np.asarray(wanted)[0])


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
    tables = tabulate_graph(onnx.load(path), path)
    # In float64 all of this is exact, but for the last product.
    assert np.abs(exact_levels(tables, frame) - wanted).max() < 1e-10


def test_sums_fit_into_32_bits_and_no_tensor_is_ever_larger_than_said(network: Path, tmp_path: Path) -> None:
    path = make(network, ("pow2",), tmp_path)
    tables = tabulate_graph(onnx.load(path), path)
    convolutions = [step for step in tables.program if step.operation == "convolve"]
    assert [step.constants["weights"].dtype for step in convolutions] == [np.int32] * 3
    for step in convolutions:
        weights, bias = step.constants["weights"].astype(np.int64), step.constants["bias"]
        assert (128 * np.abs(weights).sum(axis=(1, 2, 3)) + np.abs(bias) < 2**24).all()
        assert np.abs(weights).max() <= 128


def test_biases_off_the_grid_are_rounded_to_it(network: Path, tmp_path: Path) -> None:
    path, frame = make(network, ("pow2", "adaround"), tmp_path), picture(33, 35, 12)
    tables = tabulate_graph(onnx.load(path), path)
    # So does ONNX Runtime, but in the last convolution, whose result is a float: there it is half a step of the sums.
    last = next(step for step in reversed(tables.program) if step.operation == "shift")
    half = 255 * 2.0 ** -(tables.fraction_bits + last.constants["bits"].min() + 1)
    assert_same_picture(tables, frame, in_onnxruntime(path, frame, optimised=True), half, often=2 * half)


def test_tables_are_the_same_bytes_each_time(network: Path, tmp_path: Path) -> None:
    path = make(network, ("pow2",), tmp_path)
    for name in ("a.npz", "b.npz"):
        tabulate_onnx(path, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    frame = picture(12, 13)
    read = fixed_point.read_tables(tmp_path / "a.npz")
    assert np.array_equal(upscale(read, frame), upscale(tabulate_graph(onnx.load(path), path), frame))


def test_a_graph_without_power_of_two_scales_is_refused(network: Path, tmp_path: Path) -> None:
    path = make(network, (), tmp_path)
    with pytest.raises(
        UserError, match=r"frame_quantized/QuantizeLinear: expected powers of two .* 0\.00787"
    ):
        tabulate_onnx(path, tmp_path / "tables.npz")
    assert not list(tmp_path.glob("tables*"))


def test_a_node_without_a_form_in_whole_numbers_is_named(network: Path, tmp_path: Path) -> None:
    model = onnx.load(make(network, ("pow2",), tmp_path))
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type, relu.name = "Sigmoid", "middle"
    with pytest.raises(
        UserError, match=r"node middle: expected one of Add, .* in fixed point, found Sigmoid"
    ):
        tabulate_graph(model, Path("some.onnx"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("frame_zero_point", np.int8(3), "zero-point 0 in fixed point, found int8, 3"),
        ("b1", np.full(8, 1e30, np.float32), "a bias that 62 bits hold in fixed point, found b1"),
    ],
)
def test_what_whole_numbers_cannot_do_is_said(
    network: Path, tmp_path: Path, name: str, value: np.ndarray, expected: str
) -> None:
    model = onnx.load(make(network, ("pow2",), tmp_path))
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))
    with pytest.raises(UserError, match=expected):
        tabulate_graph(model, Path("some.onnx"))


def test_a_strided_convolution_is_refused(network: Path, tmp_path: Path) -> None:
    model = onnx.load(make(network, ("pow2",), tmp_path))
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.attribute.append(helper.make_attribute("strides", [2, 2]))
    with pytest.raises(UserError, match=r"expected a plain convolution .* found \{'strides': \[2, 2\]\}"):
        tabulate_graph(model, Path("some.onnx"))
