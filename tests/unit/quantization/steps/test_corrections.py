"""The steps that choose other weights and biases: what they minimise really is smaller, and floats stay what
they were."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import Convolution
from superres.quantization.qdq import quantize_graph
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.record import read_ranges
from superres.quantization.recipes import STEPS
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, Taps, refine_onnx
from superres.quantization.steps import adaround, equalize

from ..network import calibrate, write_set

SETTINGS = {
    "bias": {"images": 3},
    "adaround": {"images": 3, "pixels": 300, "seed": 0},
    "equalize": {},
    "balance": {},
    "reducerange": {},
}
RESULTS = ["c1", "c2", "c3"]

Files = tuple[Path, Path]


@pytest.fixture
def images(tmp_path: Path) -> FrameFile:
    """Three smooth images: their pixels correlate, as in photographs."""
    random = np.random.default_rng(4)
    waves = [
        np.add.outer(np.sin(np.arange(24) / (3 + i)), np.cos(np.arange(28) / (2 + i)))[..., None]
        * [1, 0.8, 0.6]
        for i in range(4)
    ]
    frames = [
        np.clip(128 + 60 * wave + random.normal(0, 6, wave.shape), 0, 255).astype(np.uint8) for wave in waves
    ]
    frames[0][0, 0] = 255
    return FrameFile(write_set(tmp_path, frames), 3)


@pytest.fixture
def state(network: Path, images: FrameFile, tmp_path: Path) -> Files:
    calibrate(network, images, tmp_path / "r.json")
    return network, tmp_path / "r.json"


def take(state: Files, images: FrameFile | RandomImages | None, *steps: str, folder: str = "") -> Files:
    for step in steps:
        place = state[1].parent / folder
        place.mkdir(exist_ok=True)
        after = (place / f"{state[1].stem}+{step}.onnx", place / f"{state[1].stem}+{step}.json")
        job = StepJob(
            "small",
            CalibrationSettings(name="some", method="minmax"),
            images,
            STEPS[step].settings(**SETTINGS[step]),
            measured=state[1].with_suffix(".npz") if STEPS[step].observed else None,
        )
        refine_onnx(*state, step, job, onnx_out=after[0], ranges_out=after[1])
        state = after
    return state


def values(graph: Path) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(graph).graph.initializer}


def results(state: Files, images: FrameFile, which: slice, *, int8: bool) -> list[list[np.ndarray]]:
    """The results of the three convolutions for some images of the set."""
    graph = onnx.load(state[0])
    if int8:
        graph = quantize_graph(graph, read_ranges(state[1], state[0]), state[0])
    taps = Taps(graph, RESULTS, 1)
    frames = np.load(images.path)[which]
    tensors = [np.moveaxis(frame, 2, 0)[None].astype(np.float32) / np.float32(255) for frame in frames]
    return [[taps.run(tensor)[name] for tensor in tensors] for name in RESULTS]


def error(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    return float(
        np.mean([np.mean((a.astype(np.float64) - b) ** 2) for a, b in zip(found, wanted, strict=True)])
    )


def test_bias_correction_makes_every_mean_that_of_the_float_network(state: Files, images: FrameFile) -> None:
    wanted = results(state, images, slice(3), int8=False)
    before = results(state, images, slice(3), int8=True)
    after = results(take(state, images, "bias"), images, slice(3), int8=True)

    def shifts(found: list[list[np.ndarray]]) -> list[float]:
        """Largest difference of a channel's mean, for each convolution."""
        means = [
            np.mean([np.float64(a) - b for a, b in zip(layer, other, strict=True)], axis=(0, 1, 3, 4))
            for layer, other in zip(found, wanted, strict=True)
        ]
        return [float(np.abs(mean).max()) for mean in means]

    assert all(shift > 1e-4 for shift in shifts(before))
    assert all(shift < 1e-6 for shift in shifts(after))
    changed = values(take(state, images, "bias")[0])
    original = values(state[0])
    assert {name for name in original if (original[name] != changed[name]).any()} == {"b1", "b2", "b3"}


def test_equalisation_changes_nothing_in_float_and_balances_ranges(state: Files, images: FrameFile) -> None:
    equal = take(state, images, "equalize")
    for found, wanted in zip(
        results(equal, images, slice(4), int8=False)[2],
        results(state, images, slice(4), int8=False)[2],
        strict=True,
    ):
        np.testing.assert_allclose(found, wanted, atol=3e-6)
    balanced, original = values(equal[0]), values(state[0])
    for first, second in (("w1", "w2"), ("w2", "w3")):
        before = np.abs(balanced[first]).max(axis=(1, 2, 3))
        behind = np.abs(balanced[second]).max(axis=(0, 2, 3))
        used = before > 0
        np.testing.assert_allclose(before[used], behind[used], rtol=2e-3)
    # Channel 1 of the second convolution has only zeros: nothing to balance.
    np.testing.assert_array_equal(balanced["w3"][:, 1], original["w3"][:, 1])
    # The ranges are those of the graph as it is now.
    seen = max(np.maximum(layer, 0).max() for layer in results(equal, images, slice(3), int8=False)[0])
    record = json.loads(equal[1].read_text())
    assert record["tensors"]["r1"]["amax"] == pytest.approx(seen, rel=1e-5)
    assert record["tensors"]["r1"]["amax"] != json.loads(state[1].read_text())["tensors"]["r1"]["amax"]


def test_balanced_channels_reach_equally_far_and_change_nothing_in_float(
    state: Files, images: FrameFile
) -> None:
    balanced = take(state, images, "balance")
    before, after = (results(files, images, slice(3), int8=False) for files in (state, balanced))
    for found, wanted in zip(after[2], before[2], strict=True):
        np.testing.assert_allclose(found, wanted, atol=3e-6)
    for old, new, name in zip(before[:2], after[:2], ("r1", "r2"), strict=True):
        reach = np.max([np.maximum(layer, 0).max(axis=(0, 2, 3)) for layer in old], axis=0)
        now = np.max([np.maximum(layer, 0).max(axis=(0, 2, 3)) for layer in new], axis=0)
        # The largest channel stays as it is, and all others that aren't zero reach as far.
        np.testing.assert_allclose(now, np.where(reach > 0, reach.max(), 0), rtol=1e-5)
        assert reach[reach > 0].min() < 0.8 * reach.max()
        record = json.loads(balanced[1].read_text())
        assert record["tensors"][name]["amax"] == pytest.approx(reach.max(), rel=1e-5)
    # By rounding activations alone, less is lost.
    errors = [
        error(activations_only(files, images), results(state, images, slice(4), int8=False)[2])
        for files in (state, balanced)
    ]
    assert errors[1] < errors[0]


def activations_only(state: Files, images: FrameFile) -> list[np.ndarray]:
    """The last results of all images with rounded data of the second and third convolution, float weights."""
    graph = onnx.load(state[0])
    parts = {"c2": {"activations"}, "c3": {"activations"}}
    rounded = quantize_graph(graph, read_ranges(state[1], state[0]), state[0], parts=parts)  # pyright: ignore
    taps = Taps(rounded, ["c3"], 1)
    frames = np.load(images.path)
    return [
        taps.run(np.moveaxis(frame, 2, 0)[None].astype(np.float32) / np.float32(255))["c3"]
        for frame in frames
    ]


def test_one_pair_is_equalised_in_closed_form(state: Files, images: FrameFile) -> None:
    first, second = values(state[0])["w2"], values(state[0])["w3"]
    expected = []
    for channel in range(len(first)):
        before, behind = np.abs(first[channel]).max(), np.abs(second[:, channel]).max()
        expected.append(np.sqrt(before / behind) if before and behind else 1.0)
    np.testing.assert_allclose(equalize._scales(first, second), expected, rtol=1e-6)


def test_adaptive_rounding_lowers_the_error_on_an_image_that_it_has_not_seen(
    state: Files, images: FrameFile
) -> None:
    wanted = results(state, images, slice(3, 4), int8=False)
    nearest = results(take(state, images, "bias"), images, slice(3, 4), int8=True)
    rounded = results(take(state, images, "adaround"), images, slice(3, 4), int8=True)
    ratios = [error(b, w) / error(a, w) for a, b, w in zip(nearest, rounded, wanted, strict=True)]
    # Against nearest rounding with corrected biases; most of the rest comes from rounded activations.
    assert ratios[0] < 0.75 and max(ratios) < 0.9, ratios


@pytest.mark.parametrize(("before", "most"), [((), 127), (("reducerange",), 64)])
def test_adaptive_rounding_stores_levels(
    state: Files, images: FrameFile, before: tuple[str, ...], most: int
) -> None:
    after = take(state, images, *before, "adaround")
    graph = quantize_graph(onnx.load(after[0]), read_ranges(after[1], after[0]), after[0])
    stored = {t.name: numpy_helper.to_array(t) for t in graph.graph.initializer}
    original = values(state[0])
    for name in ("w1", "w2", "w3"):
        scale = stored[f"{name}_scale"][:, None, None, None]
        levels = np.rint(stored[name] / scale)
        assert np.abs(levels).max() <= most
        # The graph's own QuantizeLinear and DequantizeLinear change nothing any more.
        np.testing.assert_array_equal(np.float32(levels) * scale, stored[name])
        # The scales are those of the weights before.
        amax = np.abs(original[name].astype(np.float64)).max(axis=(1, 2, 3))
        np.testing.assert_array_equal(
            scale[:, 0, 0, 0], np.where(amax == 0, 1, (amax / most).astype(np.float32))
        )


def test_levels_are_such_that_no_single_step_improves_them_and_nearly_the_best() -> None:
    random = np.random.default_rng(0)
    lost = []
    for _ in range(30):
        mixing = random.normal(size=(6, 6))
        variance = mixing @ mixing.T + 0.1 * np.eye(6)
        exact = random.normal(size=(1, 6)) * 3
        form = adaround._Form(variance, exact @ variance, np.array([0.5]), 127)

        def error(levels: np.ndarray, v: np.ndarray = variance, best: np.ndarray = exact) -> float:
            return ((levels * 0.5 - best) @ v @ (levels * 0.5 - best).T).item()

        nearest = np.rint(exact / 0.5)
        ends = [form.descend(nearest), form.descend(form.round_in_turn())]
        for end in ends:
            assert form.excess(end).item() == pytest.approx(error(end), rel=1e-6, abs=1e-9)
            for index, step in product(range(6), (-1, 1)):
                moved = end.copy()
                moved[0, index] += step
                assert error(moved) >= error(end) - 1e-9
        least = min(error(np.floor(exact / 0.5) + np.array(up)) for up in product((-1, 0, 1, 2), repeat=6))
        lost.append((min(map(error, ends)), least, error(nearest)))
    found, least, nearest = np.mean(lost, axis=0)
    # It wins most of the difference between nearest rounding and the best levels.
    assert least <= found < least + 0.25 * (nearest - least)


def test_patches_are_what_the_convolution_sees(state: Files, images: FrameFile) -> None:
    graph = onnx.load(state[0])
    convolution = adaround.quantized_convolutions(graph, read_ranges(state[1], state[0]))[1]
    window = adaround._Window.of(graph, convolution)
    taps = Taps(graph, ["r1", "c2"], 1).run(np.random.default_rng(0).random((1, 3, 9, 11), np.float32))
    rows, columns = np.divmod(np.arange(99), 11)
    x = window.patches(taps["r1"][0], (rows, columns))
    weights = values(state[0])
    found = x @ weights["w2"].reshape(6, -1).T.astype(np.float64) + weights["b2"]
    np.testing.assert_allclose(found.T.reshape(6, 9, 11), taps["c2"][0], atol=1e-5)


@pytest.mark.parametrize("step", ["bias", "adaround", "equalize", "balance"])
def test_the_same_inputs_give_the_same_bytes(state: Files, images: FrameFile, step: str) -> None:
    first, second = (take(state, images, step, folder=folder) for folder in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_steps_in_an_order_that_makes_no_sense_are_refused(state: Files, images: FrameFile) -> None:
    rounded = take(state, images, "adaround")
    with pytest.raises(UserError, match="step bias: expected it before adaround"):
        take(rounded, images, "bias")
    for step in ("equalize", "balance"):
        with pytest.raises(UserError, match=f"step {step}: expected it right after the calibration"):
            take(rounded, images, step)
    for step in sorted(SETTINGS.keys() - {"reducerange"}):
        with pytest.raises(UserError, match=f"step {step}: expected a calibration with images"):
            take(state, None, step)


def second_with(state: Files, name: str, value: list[int]) -> tuple[onnx.ModelProto, Convolution]:
    """The graph with an attribute of its second convolution, and that convolution."""
    graph = onnx.load(state[0])
    node = next(node for node in graph.graph.node if "c2" in node.output)
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    return graph, adaround.quantized_convolutions(graph, read_ranges(state[1], state[0]))[1]


def test_windows_of_a_convolution_with_strides_are_those_that_it_reads(state: Files) -> None:
    graph, convolution = second_with(state, "strides", [2, 3])
    data = np.random.default_rng(0).normal(size=(8, 9, 11)).astype(np.float32)
    weights = np.random.default_rng(1).normal(size=(6, 8, 3, 3))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(data).double()[None], torch.from_numpy(weights), stride=(2, 3), padding=1
    )[0]
    where = np.indices(expected.shape[1:]).reshape(2, -1)
    found = adaround._Window.of(graph, convolution).patches(data, (where[0], where[1]))
    np.testing.assert_allclose(found @ weights.reshape(6, -1).T, expected.reshape(6, -1).T, atol=1e-12)
