"""Fine-tuning with rounding: what it wins and that its simulation is the Q/DQ graph, both by ONNX Runtime on
real graphs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from superres.device.base.errors import UserError
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import find_convolutions, load_onnx, with_outputs
from superres.models.weights import pretrained
from superres.quantization.qdq import quantize_graph
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.record import read_ranges
from superres.quantization.settings import CalibrationSettings, Qat
from superres.quantization.state import State, StepJob, Taps, read_initializers, refine_onnx
from superres.quantization.steps import asymmetric, center, pertensor, qat, reducerange
from superres.quantization.trainable import TrainableChain

from ..network import build_network, calibrate, network_weights, to_space, write_set

ROOT = Path(__file__).parents[4]
SETTINGS = {
    "steps": 120,
    "batch": 4,
    "patch": 24,
    "learning_rate": 1e-3,
    "range_learning_rate": 5e-3,
    "seed": 0,
}
BEFORE = {
    "nothing": ((), 0.6),
    "center": ((center,), 0.85),
    "asymmetric": ((asymmetric,), 0.4),
    "center and asymmetric": ((center, asymmetric), 0.7),
    "pertensor": ((pertensor,), 0.4),
    "reducerange": ((reducerange,), 0.6),
}
"""Steps before the training, and the largest share of this small network's squared error that it leaves."""


def picture(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """Shades that change slowly, some edges, and a black and a white pixel: uint8 H x W x 3."""
    random = np.random.default_rng(seed)
    shades = np.cumsum(np.cumsum(random.normal(size=(height, width, 3)), axis=0), axis=1)
    shades[: height // 2] += 2 * np.ptp(shades) * random.random()
    levels = 255 * (shades - shades.min()) / np.ptp(shades)
    levels[0, :2] = [[0], [255]]
    return np.rint(levels).astype(np.uint8)


def tensor(image: np.ndarray) -> np.ndarray:
    return (np.moveaxis(image, 2, 0)[np.newaxis] / np.float32(255)).astype(np.float32)


def job(photographs: Path, **settings: Any) -> StepJob:
    return StepJob(
        "small",
        CalibrationSettings(name="some", method="minmax"),
        FrameFile(photographs),
        Qat(**{**SETTINGS, **settings}),
    )


def run(graph: onnx.ModelProto, frame: np.ndarray, name: str = "upscaled") -> np.ndarray:
    return Taps(graph, [name], 1).run(frame)[name]


def quantized(state: State) -> onnx.ModelProto:
    return quantize_graph(state.graph, state.ranges, Path("state"))


def squared_error(state: State, floats: State, images: list[np.ndarray]) -> float:
    differences = [
        run(quantized(state), tensor(image)) - run(floats.graph, tensor(image)) for image in images
    ]
    return float(np.mean(np.square(differences)))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return write_set(tmp_path, [picture(seed) for seed in range(6)])


@pytest.fixture
def state(network: Path, photographs: Path, tmp_path: Path) -> State:
    calibrate(network, FrameFile(photographs), tmp_path / "r.json")
    return State(load_onnx(network), read_ranges(tmp_path / "r.json", network))


@pytest.mark.parametrize(("steps", "share"), BEFORE.values(), ids=BEFORE)
def test_an_unseen_picture_comes_closer_to_the_float_network(
    state: State, photographs: Path, steps: tuple[Any, ...], share: float
) -> None:
    before = state
    for step in steps:
        before = step.apply(before, job(photographs))
    after = qat.apply(before, job(photographs))
    unseen = [picture(seed) for seed in (100, 101)]
    assert squared_error(after, state, unseen) < share * squared_error(before, state, unseen)
    facts = after.facts["squared_error"]
    assert facts["after"] < 0.75 * facts["before"]
    # The input state doesn't change.
    assert before.ranges.weight_amax == {} and not before.facts.get("squared_error")


@pytest.mark.parametrize("steps", [steps for steps, _ in BEFORE.values()], ids=BEFORE)
def test_the_graph_computes_what_was_trained(
    state: State, photographs: Path, steps: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in steps:
        state = step.apply(state, job(photographs))
    # The network at the end of the training, before the export.
    seen: list[TrainableChain] = []
    run_training = qat._Training.run

    def keep(training: Any) -> None:
        run_training(training)
        seen.append(training.chain)

    monkeypatch.setattr(qat._Training, "run", keep)
    after = qat.apply(state, job(photographs, steps=40))
    frame = tensor(picture(100))
    with torch.no_grad():
        simulated = seen[0](seen[0].enter(frame))[0].numpy()
    levels = 255 * np.clip(to_space(simulated), 0, 1)
    found = 255 * run(quantized(after), frame)[0]
    # Sums in another order may fall on the other side of a rounding inside: seldom, and little.
    assert np.abs(found - levels).max() <= 2
    assert np.mean(np.abs(found - levels) > 0.01) < 0.02
    # The training has changed it much.
    assert np.abs(run(quantized(state), frame)[0] * 255 - levels).mean() > 0.1


@pytest.mark.parametrize(
    "model",
    [
        "espcn_rgb",
        "espcn_ycbcr",
        "espcn_anchor",
        "espcn_ycbcr_folded",
        "plain_c16_m4",
        "unshuffle_c32_m4",
        "fsrcnn",
        "quicksrnet_s",
    ],
)
def test_models_keep_all_but_their_quantised_layers(model: str, photographs: Path, tmp_path: Path) -> None:
    path, record = tmp_path / "fp32.onnx", tmp_path / "r.json"
    export_onnx(model, pretrained(model), path)
    calibrate(path, FrameFile(photographs), record)
    state = State(load_onnx(path), read_ranges(record, path))
    if model == "espcn_rgb":
        state = center.apply(state, job(photographs))
    after = qat.apply(state, job(photographs, steps=3, learning_rate=1e-4))
    weights = [convolution.weights for convolution in find_convolutions(state.graph)]
    trained = {name.removesuffix("weight") + kind for name in weights for kind in ("weight", "bias")}
    old, new = read_initializers(state.graph), read_initializers(after.graph)
    changed = {name for name in old if not np.array_equal(old[name], new[name])}
    assert old.keys() == new.keys() and changed == trained

    # A Clip has its range already, a ReLU learns one.
    for node in state.graph.graph.node:
        if node.op_type in ("Clip", "Relu") and node.output[0] in state.ranges.tensors:
            before, now = (some.ranges.tensors[node.output[0]].amax for some in (state, after))
            assert (abs(now / before - 1) < 1e-6) == (node.op_type == "Clip")

    # Weights are on the grid of the record: every runtime rounds them alike.
    for convolution in find_convolutions(after.graph):
        amax = np.array(after.ranges.weight_amax[convolution.weights])
        scale = (amax / 127).astype(np.float32)
        assert np.array_equal(scale.astype(np.float64) * 127, amax)
        levels = new[convolution.weights] / scale[:, None, None, None]
        assert np.abs(levels - np.rint(levels)).max() < 1e-4 and np.abs(levels).max() < 127.5

    last = find_convolutions(state.graph)[-1].result
    frame = tensor(picture(100))
    with torch.no_grad():
        chain = TrainableChain(after)
        simulated = chain(chain.enter(frame)).numpy()
    difference = np.abs(simulated - run(quantized(after), frame, last)) * 255
    # Ranges are as wide as min-max left them: one of their levels is more than one of the frame's.
    assert difference.max() <= 2 and np.mean(difference > 0.01) < 0.02


def test_the_same_inputs_give_the_same_bytes(
    network: Path, state: State, photographs: Path, tmp_path: Path
) -> None:
    written = []
    threads = torch.get_num_threads()
    for run_of, count in (("a", 1), ("b", 4)):
        torch.set_num_threads(count)
        outputs = (tmp_path / f"{run_of}.onnx", tmp_path / f"{run_of}.json")
        some = replace(job(photographs, steps=20), threads=count)
        refine_onnx(network, tmp_path / "r.json", "qat", some, onnx_out=outputs[0], ranges_out=outputs[1])
        # The caller's number of threads is restored.
        assert torch.get_num_threads() == count
        written.append([output.read_bytes() for output in outputs])
    torch.set_num_threads(threads)
    assert written[0] == written[1]
    taken = json.loads(written[0][1])["steps"][-1]
    assert taken["step"] == "qat" and taken["settings"]["steps"] == 20
    other = qat.apply(state, job(photographs, steps=20, seed=1))
    assert other.graph.SerializeToString(deterministic=True) != written[0][0]


def test_ranges_are_kept_where_their_learning_rate_is_zero(state: State, photographs: Path) -> None:
    def amax(some: State) -> dict[str, float]:
        return {name: entry.amax for name, entry in some.ranges.tensors.items()}

    kept = qat.apply(state, job(photographs, steps=5, range_learning_rate=0.0))
    assert amax(kept) == pytest.approx(amax(state), rel=1e-6)
    learned = qat.apply(state, job(photographs, steps=5))
    changed = {name for name, value in amax(learned).items() if value != amax(kept)[name]}
    # Neither the frame, nor what no convolution reads.
    assert changed == {"r1", "r2"}


def test_padding_that_is_none_of_zeros_trains_like_any_other(state: State, photographs: Path) -> None:
    # Centred data is padded in a node before the first convolution: the batch goes through it too.
    chain = TrainableChain(center.apply(state, job(photographs)))
    frames = np.concatenate([tensor(picture(seed)) for seed in (1, 2)])
    data = chain.enter(frames)
    assert data.shape == (2, 3, 44, 52)
    np.testing.assert_allclose(data[:, :, 2:-2, 2:-2].numpy(), frames - np.float32(128 / 255), atol=1e-7)
    assert np.unique(data[:, :, 0].numpy()) == [np.float32(-128 / 255)]


def with_frames_between(layers: list[tuple[np.ndarray, np.ndarray]]) -> onnx.ModelProto:
    """The network with a second reader of the first ReLU."""
    model = build_network(layers)
    node = onnx.helper.make_node("Add", ["c2", "s"], ["c2s"])
    part = onnx.helper.make_node("Slice", ["r1", "begin", "end", "axis"], ["s"])
    for name, value in (("begin", 0), ("end", 6), ("axis", 1)):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), name))
    nodes = list(model.graph.node)
    nodes[3].input[0] = "c2s"
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:3], part, node, *nodes[3:]])
    onnx.checker.check_model(model)
    return model


def padded_by(attribute: onnx.AttributeProto) -> onnx.ModelProto:
    """The network with another padding of its second convolution."""
    model = build_network(network_weights())
    del model.graph.node[2].attribute[:]
    model.graph.node[2].attribute.append(attribute)
    return model


def automatic(_: list[tuple[np.ndarray, np.ndarray]]) -> onnx.ModelProto:
    return padded_by(onnx.helper.make_attribute("auto_pad", "SAME_UPPER"))


@pytest.mark.parametrize("pads", [[2, 2, 0, 0], [0, 3, 1, 0], [2, 1, 2, 1]])
def test_a_padding_of_unequal_sides_is_that_of_the_graph(
    pads: list[int], photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(padded_by(onnx.helper.make_attribute("pads", pads)), path)
    calibrate(path, FrameFile(photographs), tmp_path / "other.json")
    chain = TrainableChain(State(load_onnx(path), read_ranges(tmp_path / "other.json", path)))
    frame = tensor(picture(1))
    session = ort.InferenceSession(with_outputs(load_onnx(path), ["c3"]).SerializeToString())
    expected = np.asarray(session.run(["c3"], {"frame": frame})[0])
    np.testing.assert_allclose(chain.forward_float(chain.enter(frame)).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            with_frames_between,
            "expected convolutions that follow each other .*, found c2 after c1 with more",
        ),
        (automatic, "convolution c2: expected a padding in numbers, found auto_pad"),
    ],
)
def test_graphs_that_it_cannot_train_are_said(
    make: Any, expected: str, photographs: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.onnx"
    onnx.save(make(network_weights()), path)
    calibrate(path, FrameFile(photographs), tmp_path / "other.json")
    state = State(load_onnx(path), read_ranges(tmp_path / "other.json", path))
    with pytest.raises(UserError, match=f"step qat: {expected}"):
        qat.apply(state, job(photographs))


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        ({"data": RandomImages("uniform", 0, 1, 24, 24)}, {}, "on photographs, found some, whose images"),
        ({"data": None}, {}, "a calibration with images, found some"),
        ({}, {"patch": 41}, "image 0: expected at least 41x41 pixels .*, found 40x48"),
        (
            {},
            {"learning_rate": 1e30},
            "of small: patches [0-9]+: expected a finite error.*lower steps.qat.learning_rate",
        ),
    ],
)
def test_what_it_cannot_train_with_is_said(
    state: State,
    photographs: Path,
    change: Mapping[str, Any],
    settings: Mapping[str, Any],
    expected: str,
) -> None:
    with pytest.raises(UserError, match=expected):
        qat.apply(state, replace(job(photographs, **settings), **change))
