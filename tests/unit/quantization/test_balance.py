"""Channels balanced by what they take: scales against float64, the float graph unchanged, INT8 closer to it."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from superres.device.errors import UserError
from superres.quantization.calibration import CalibrationSettings, FrameFile
from superres.quantization.graph import load_onnx
from superres.quantization.qdq import quantize_graph
from superres.quantization.record import read_ranges
from superres.quantization.steps import balance, center, qat
from superres.quantization.steps.base import State, StepJob, read_initializers
from superres.quantization.taps import Taps

from .network import build_network, calibrate, convolve, network_weights, write_set

UNEVEN = np.array([1, 30, 0.3, 3, 1, 0.1, 8, 1], np.float32)
"""How much further some channels of the first layer reach than others, with the second layer making up for it."""


@pytest.fixture
def images(tmp_path: Path) -> FrameFile:
    random = np.random.default_rng(2)
    levels = [np.cumsum(random.normal(0, 9, (24, 28, 3)), axis=0) + 128 for _ in range(3)]
    frames = [np.clip(image, 0, 255).astype(np.uint8) for image in levels]
    frames[0][0, :2] = [[0], [255]]
    return FrameFile(write_set(tmp_path, frames))


@pytest.fixture
def layers() -> list[tuple[np.ndarray, np.ndarray]]:
    (w1, b1), (w2, b2), last = network_weights()
    return [(w1 * UNEVEN[:, None, None, None], b1 * UNEVEN), (w2 / UNEVEN[None, :, None, None], b2), last]


@pytest.fixture
def state(layers: list[tuple[np.ndarray, np.ndarray]], images: FrameFile, tmp_path: Path) -> State:
    path = tmp_path / "uneven.onnx"
    onnx.save(build_network(layers), path)
    calibrate(path, images, tmp_path / "r.json")
    return State(load_onnx(path), read_ranges(tmp_path / "r.json", path))


def job(images: FrameFile, percentile: float = 100.0) -> StepJob:
    settings = {"images": 3, "percentile": percentile}
    return StepJob("small", CalibrationSettings("some", "minmax"), images, settings)


def tensors(images: FrameFile) -> list[np.ndarray]:
    return [
        np.moveaxis(frame, 2, 0)[None].astype(np.float32) / np.float32(255) for frame in np.load(images.path)
    ]


def test_scales_are_how_far_each_channel_reaches(
    state: State, images: FrameFile, layers: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    reached = []
    for image in tensors(images):
        first = np.maximum(convolve(image[0], *layers[0]), 0)
        second = np.maximum(convolve(first, *layers[1]), 0)
        # Every fourth pixel is looked at.
        reached.append([layer.reshape(len(layer), -1)[:, ::4].max(axis=1) for layer in (first, second)])
    reach1, reach2 = (np.max([each[i] for each in reached], axis=0) for i in (0, 1))
    scales1 = np.maximum(reach1, 0.02 * reach1.max()) / reach1.max()
    scales2 = np.maximum(reach2, 0.02 * reach2.max()) / reach2.max()
    found = read_initializers(balance.apply(state, job(images)).graph)
    np.testing.assert_allclose(found["w1"], layers[0][0] / scales1[:, None, None, None], rtol=1e-4)
    np.testing.assert_allclose(found["b2"], layers[1][1] / scales2, rtol=1e-4)
    expected = layers[1][0] * scales1[None, :, None, None] / scales2[:, None, None, None]
    np.testing.assert_allclose(found["w2"], expected, rtol=1e-4)
    np.testing.assert_allclose(found["w3"], layers[2][0] * scales2[None, :, None, None], rtol=1e-4)
    assert np.array_equal(found["b3"], layers[2][1])
    # One channel takes next to nothing: it isn't blown up beyond the floor.
    assert scales1.min() == pytest.approx(0.02)


@pytest.mark.parametrize("centred", [False, True])
def test_float_stays_and_int8_comes_closer(state: State, images: FrameFile, centred: bool) -> None:
    before = center.apply(state, job(images)) if centred else state
    after = balance.apply(before, job(images, percentile=99.9))
    data = [name for name in before.ranges.tensors if name.endswith("frame")]
    for name in (*data, "c3"):
        assert after.ranges.tensors[name] == before.ranges.tensors[name]
    errors = {}
    for image in tensors(images):
        wanted = Taps(state.graph, ["c3"], 1).run(image)["c3"]
        np.testing.assert_allclose(Taps(after.graph, ["c3"], 1).run(image)["c3"], wanted, atol=2e-5)
        for kind, some in {"before": before, "after": after}.items():
            graph = quantize_graph(some.graph, some.ranges, Path(kind))
            found = Taps(graph, ["c3"], 1).run(image)["c3"]
            errors[kind] = errors.get(kind, 0) + float(np.mean((found - wanted) ** 2))
    assert errors["after"] < (0.2 if centred else 0.5) * errors["before"]


def test_it_comes_before_steps_that_choose_levels(state: State, images: FrameFile) -> None:
    settings = {
        "steps": 1,
        "batch": 1,
        "patch": 8,
        "learning_rate": 1e-4,
        "range_learning_rate": 0,
        "seed": 0,
    }
    trained = qat.apply(state, StepJob("small", CalibrationSettings("some", "minmax"), images, settings))
    ranges = {**vars(trained.ranges), "steps": ({"step": "qat"},)}
    with pytest.raises(UserError, match="step balance: expected it before qat"):
        balance.apply(State(trained.graph, type(trained.ranges)(**ranges)), job(images))


def test_only_a_relu_lets_factors_through(
    layers: list[tuple[np.ndarray, np.ndarray]], images: FrameFile, tmp_path: Path
) -> None:
    graph = build_network(layers)
    for node in graph.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Tanh"
    path = tmp_path / "tanh.onnx"
    onnx.save(graph, path)
    calibrate(path, images, tmp_path / "t.json")
    state = State(load_onnx(path), read_ranges(tmp_path / "t.json", path))
    with pytest.raises(UserError, match="two convolutions with a ReLU between them, found none"):
        balance.apply(state, job(images))
