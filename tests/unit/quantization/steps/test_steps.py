"""Steps that change no value in float: their graphs against float64 and the float graph."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import openvino as ov
import pytest

from processors import exact_int8
from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import load_onnx
from superres.models.graphs.overflow import overflowing
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.settings import Adaround, Calibration, CalibrationSettings, Qat
from superres.quantization.state import StepJob, refine_onnx

from ..network import calibrate, convolve, network_weights, to_space

DATA = RandomImages("uniform", 3, 1, 24, 20)
JOB = StepJob("small", CalibrationSettings(name="some", method="minmax"), DATA)
SIZE = (1, 3, 18, 22)


def run(path: Path, frame: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # As written: the INT8 sums of some processors overflow.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"frame": frame})[0])


def some_frame() -> np.ndarray:
    levels = np.random.default_rng(11).integers(0, 256, SIZE)
    levels[..., :2, :2] = [[0, 255], [255, 0]]
    return (levels / 255).astype(np.float32)


@pytest.fixture
def state(network: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The network, and ranges in which the frame takes [0, 1]."""
    record = calibrate(network, DATA, tmp_path / "r.json")
    record["tensors"]["frame"] = {"min": 0.0, "max": 1.0, "amax": 1.0}
    (tmp_path / "r.json").write_text(json.dumps(record))
    return network, tmp_path / "r.json"


def take(state: tuple[Path, Path], *steps: str) -> tuple[Path, Path]:
    """Take steps one after the other; return the last state."""
    for step in steps:
        name = f"{state[1].stem}+{step}"
        after = (state[1].with_name(f"{name}.onnx"), state[1].with_name(f"{name}.json"))
        refine_onnx(*state, step, JOB, onnx_out=after[0], ranges_out=after[1])
        state = after
    return state


def quantized(state: tuple[Path, Path]) -> Path:
    path = state[1].with_suffix(".int8.onnx")
    quantize_onnx(*state, path)
    return path


@dataclass(frozen=True)
class Levels:
    """A grid of amax / steps, from low to high."""

    steps: int
    low: int
    high: int


SYMMETRIC, ASYMMETRIC = Levels(127, -128, 127), Levels(255, 0, 255)


def forward(
    frame: np.ndarray, amax: dict[str, float], levels: Levels, middle: float | None = None
) -> np.ndarray:
    """The quantised network in float64; with `middle`, the exact frame, centred there."""
    data = frame.astype(np.float64)
    for name, (weights, bias) in zip(("frame", "r1", "r2"), network_weights(), strict=True):
        exact = name == "frame" and middle is not None
        if not exact:
            scale = np.float64(np.float32(amax[name] / levels.steps))
            data = np.clip(np.rint(data / scale), levels.low, levels.high) * scale
        steps = np.abs(weights.astype(np.float64)).max(axis=(1, 2, 3)) / 127
        steps = np.where(steps == 0, 1, steps).astype(np.float32).astype(np.float64)[:, None, None, None]
        rounded = np.rint(weights / steps) * steps
        # The bias restores the middle by the weights before rounding.
        given_back = middle * (weights - rounded).sum(axis=(1, 2, 3)) if exact and middle else 0
        data = convolve(data, rounded, bias + given_back)
        data = np.maximum(data, 0) if name != "r2" else data
    return np.clip(to_space(data), 0, 1)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    # Float32 sums may fall on the other side of a rounding: one step of r1 or r2, seen through the weights.
    difference = np.abs(found - expected)
    assert difference.max() < 0.02
    assert np.mean(difference > 1e-5) < 0.03


def amax_of(state: tuple[Path, Path]) -> dict[str, float]:
    return {name: entry["amax"] for name, entry in json.loads(state[1].read_text())["tensors"].items()}


def test_asymmetric_activations_have_255_steps_from_zero(state: tuple[Path, Path]) -> None:
    path = quantized(take(state, "asymmetric"))
    frame = some_frame()
    expected = forward(frame[0], amax_of(state), ASYMMETRIC)
    assert_close(run(path, frame)[0], expected)
    error = np.abs(run(state[0], frame)[0] - expected).mean()
    assert error < 0.9 * np.abs(run(state[0], frame) - run(quantized(state), frame)).mean()


@exact_int8
def test_openvino_runs_asymmetric_activations_as_they_are_meant(state: tuple[Path, Path]) -> None:
    path, frame = quantized(take(state, "asymmetric")), some_frame()
    found = np.asarray(ov.Core().compile_model(path, "CPU")(frame)[0])[0]
    assert_close(found, forward(frame[0], amax_of(state), ASYMMETRIC))


def test_centering_changes_nothing_in_float(state: tuple[Path, Path]) -> None:
    centered, record = take(state, "center")
    # Beyond [0, 1] too, and at the borders, where the convolution pads with zeros.
    frame = np.random.default_rng(1).normal(size=SIZE).astype(np.float32)
    np.testing.assert_allclose(run(centered, frame), run(state[0], frame), atol=2e-6)
    assert json.loads(record.read_text())["steps"] == [
        {"step": "center", "settings": {}, "middle": pytest.approx(128 / 255, rel=1e-7)}
    ]


def test_a_centered_frame_loses_nothing(state: tuple[Path, Path]) -> None:
    path = quantized(take(state, "center"))
    frame = some_frame()
    expected = forward(frame[0], amax_of(state), SYMMETRIC, middle=128 / 255)
    assert_close(run(path, frame)[0], expected)
    # Without it, the frame itself is rounded to 127 levels.
    assert (
        np.abs(run(quantized(state), frame)[0] - expected).mean()
        > 20 * np.abs(run(path, frame)[0] - expected).mean()
    )


def test_centering_keeps_the_first_convolution_in_int8(state: tuple[Path, Path]) -> None:
    graph = onnx.load(quantized(take(state, "center"))).graph
    writers = {node.output[0]: node for node in graph.node}
    first = next(node for node in graph.node if node.op_type == "Conv")
    chain = [writers[first.input[0]].op_type]
    source = writers[first.input[0]]
    while source.input[0] != "frame":
        source = writers[source.input[0]]
        chain.append(source.op_type)
    assert chain == ["DequantizeLinear", "QuantizeLinear", "Pad", "Sub"]


def test_a_frame_that_is_negative_or_unknown_is_not_centered(
    state: tuple[Path, Path], tmp_path: Path
) -> None:
    record = json.loads(state[1].read_text())
    for low, expected in ((-0.5, "found a smallest value of -0.5"), (None, "found nothing measured")):
        record["tensors"]["frame"]["min"] = low
        state[1].write_text(json.dumps(record))
        with pytest.raises(
            UserError, match=f"step center: expected values from 0 up as tensor frame, {expected}"
        ):
            take(state, "center")
    assert not list(tmp_path.glob("*+center*"))


def test_one_scale_for_all_weights(state: tuple[Path, Path]) -> None:
    graph = onnx.load(quantized(take(state, "pertensor"))).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = [
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0].startswith("w")
    ]
    assert len(nodes) == 3 and not any(node.attribute for node in nodes)
    for node in nodes:
        scale = stored[node.input[1]]
        assert scale.shape == () and scale == np.float32(
            np.abs(stored[node.input[0]]).max() / np.float64(127)
        )


def test_no_pair_of_products_overflows_16_bits(state: tuple[Path, Path]) -> None:
    plain = quantized(take(state, "asymmetric"))
    assert all(np.abs(levels).max() == 127 for levels in levels_of_weights(plain).values())
    assert len(overflowing(load_onnx(plain))) == 3
    for steps in (("reducerange",), ("pertensor", "reducerange"), ("reducerange", "pertensor")):
        last = take(state, "asymmetric", *steps)
        reduced = levels_of_weights(quantized(last))
        assert len(reduced) == 3
        for levels in reduced.values():
            assert np.abs(levels).max() == 64
        assert overflowing(load_onnx(quantized(last))) == []


def levels_of_weights(path: Path) -> dict[str, np.ndarray]:
    graph = onnx.load(path).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = [n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0].startswith("w")]
    return {
        node.input[0]: np.rint(stored[node.input[0]] / stored[node.input[1]].reshape(-1, 1, 1, 1))
        for node in pairs
    }


def test_steps_go_on_from_each_other_and_say_so(state: tuple[Path, Path]) -> None:
    last = take(state, "center", "pertensor", "asymmetric")
    record = json.loads(last[1].read_text())
    assert [step["step"] for step in record["steps"]] == ["center", "pertensor", "asymmetric"]
    assert (record["activation"], record["weights"]) == ("asymmetric", "per-tensor")
    assert record["calibration"] == "some" and record["images"] == 1
    frame = some_frame()
    assert np.abs(run(quantized(last), frame) - run(state[0], frame)).mean() < 0.01
    again = take(state, "center", "pertensor", "asymmetric")
    assert again[1].read_text() == json.dumps(record, indent=2, sort_keys=True) + "\n"


SET = {"type": "calibration-set", "name": "photos", "images": 7}
RANDOM = {"type": "random", "kind": "ones", "seed": 5, "images": 2, "width": 80, "height": 60}


@pytest.mark.parametrize(
    ("data", "frames", "images"),
    [
        (SET, Path("photos.npy"), FrameFile(Path("photos.npy"), 7)),
        (SET, None, None),
        (RANDOM, None, RandomImages("ones", 5, 2, height=60, width=80)),
    ],
)
def test_a_job_of_dumped_keys(
    data: dict, frames: Path | None, images: FrameFile | RandomImages | None
) -> None:
    calibration = Calibration.model_validate({"name": "some", "method": "minmax", "data": data})
    settings = Adaround(images=3, pixels=500, seed=9)
    job = StepJob.of(
        "small",
        "adaround",
        calibration=calibration.model_dump(),
        settings=settings.model_dump(),
        frames=frames,
        measured=Path("frontier.csv"),
        threads=4,
    )
    assert job == StepJob("small", calibration, images, settings, 4, Path("frontier.csv"))


def test_a_job_of_a_calibration_without_images() -> None:
    job = StepJob.of(
        "small",
        "qat",
        calibration=Calibration(name="some", method="fixed").model_dump(),
        settings={"steps": 6},
        frames=None,
        measured=None,
        threads=1,
    )
    assert (job.data, job.settings) == (None, Qat(steps=6))
    with pytest.raises(UserError, match="step qat: expected a calibration with images, found some"):
        job.images("qat")
    with pytest.raises(UserError, match="step qat: expected a file of what was measured"):
        job.measurement("qat")
