"""Power-of-two scales by range and by search: the rule by hand, the grids in the graph, and that the search
finds."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.fraction_bits import bits_by_range, fraction_bits, with_bits
from superres.quantization.qdq import quantize_graph, quantize_onnx
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.ranges.record import read_ranges
from superres.quantization.recipes import STEPS
from superres.quantization.settings import CalibrationSettings, Pow2Search
from superres.quantization.state import State, StepJob, refine_onnx, replace_initializers
from superres.quantization.steps import pow2search

from ..network import build_network, calibrate, network_weights, write_set

SETTINGS = {"pow2search": {"images": 2, "sweeps": 8}}

Files = tuple[Path, Path]


@pytest.mark.parametrize(
    ("amax", "int8", "uint8"),
    [
        (1.0, 7, 8),  # 128 steps of 2^-7
        (1.0000001, 6, 7),
        (0.5, 8, 9),
        (2.83, 5, 6),
        (127 / 128, 7, 8),
        (0.4999, 8, 9),
        (300.0, -2, -1),
    ],
)
def test_the_range_fits_with_as_many_fraction_bits_as_it_can(amax: float, int8: int, uint8: int) -> None:
    assert (fraction_bits(amax, 7), fraction_bits(amax, 8)) == (int8, uint8)
    assert 64 < amax * 2**int8 <= 128


def images(folder: Path) -> FrameFile:
    random = np.random.default_rng(9)
    waves = [np.add.outer(np.sin(np.arange(20) / (2 + i)), np.cos(np.arange(26) / 3)) for i in range(2)]
    frames = [
        np.clip(120 + 65 * wave[..., None] * [1, 0.9, 0.7] + random.normal(0, 9, (20, 26, 3)), 0, 255)
        for wave in waves
    ]
    frames[0][0, 0] = 255
    return FrameFile(write_set(folder, [frame.astype(np.uint8) for frame in frames]))


@pytest.fixture
def state(network: Path, tmp_path: Path) -> Files:
    calibrate(network, images(tmp_path), tmp_path / "r.json")
    return network, tmp_path / "r.json"


def take(state: Files, *steps: str) -> Files:
    data = FrameFile(state[1].parent / "set.npy")
    for step in steps:
        name = f"{state[1].stem}+{step}"
        after = (state[1].with_name(f"{name}.onnx"), state[1].with_name(f"{name}.json"))
        job = StepJob(
            "small",
            CalibrationSettings(name="some", method="minmax"),
            data,
            STEPS[step].settings(**SETTINGS.get(step, {})),
        )
        refine_onnx(*state, step, job, onnx_out=after[0], ranges_out=after[1])
        state = after
    return state


def stored(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def quantized(state: Files) -> onnx.ModelProto:
    path = state[1].with_suffix(".int8.onnx")
    quantize_onnx(*state, path)
    return onnx.load(path)


@pytest.mark.parametrize("before", [(), ("pertensor",), ("center",), ("asymmetric",)])
def test_every_scale_of_the_graph_is_a_power_of_two(state: Files, before: tuple[str, ...]) -> None:
    last = take(state, *before, "pow2")
    values = stored(quantized(last))
    scales = [value for name, value in values.items() if name.endswith("_scale")]
    assert len(scales) == 8
    for scale in scales:
        assert (np.frexp(scale)[0] == 0.5).all()
    assert values["w1_scale"].shape == (() if before == ("pertensor",) else (8,))


def test_scales_biases_and_the_record_follow_the_rule(state: Files) -> None:
    last = take(state, "pow2")
    record = json.loads(last[1].read_text())
    values = stored(quantized(last))
    seen = {name: entry["amax"] for name, entry in json.loads(state[1].read_text())["tensors"].items()}
    (step,) = record["steps"]
    for layer, (data, (weights, bias)) in enumerate(
        zip(("frame", "r1", "r2"), network_weights(), strict=True), 1
    ):
        bits = 7 - np.ceil(np.log2(seen[data]))
        assert values[f"{data}_scale"] == 2.0**-bits
        assert step["fraction_bits"]["tensors"][data] == bits
        largest = np.abs(weights.astype(np.float64)).max(axis=(1, 2, 3))
        by_channel = 7 - np.ceil(np.log2(np.where(largest > 0, largest, 1)))
        # Channel 1 of the second layer has only zeros: the fewest bits of the others.
        by_channel[largest == 0] = by_channel[largest > 0].min()
        assert np.array_equal(values[f"w{layer}_scale"], 2.0**-by_channel)
        assert step["fraction_bits"]["weights"][f"c{layer}"] == sorted(set(by_channel))
        steps = values[f"b{layer}"].astype(np.float64) * 2.0 ** (bits + by_channel)
        assert np.array_equal(steps, np.rint(bias.astype(np.float64) * 2.0 ** (bits + by_channel)))
    # The last convolution's output gets no pair; it keeps its range.
    assert record["tensors"]["c3"]["amax"] == seen["c3"]


def test_sums_stay_within_24_bits(tmp_path: Path) -> None:
    layers = network_weights()
    layers[1][1][:] = [9000, -900, 0.1, 1, 1, 1]
    network = tmp_path / "fp32.onnx"
    onnx.save(build_network(layers), network)
    calibrate(network, images(tmp_path), tmp_path / "r.json")
    values = stored(quantized(take((network, tmp_path / "r.json"), "pow2")))
    bits = -np.log2(values["w2_scale"]) - np.log2(values["r1_scale"])
    levels = np.clip(np.rint(layers[1][0] / values["w2_scale"][:, None, None, None]), -128, 127)
    sums = 128 * np.abs(levels).sum(axis=(1, 2, 3)) + np.abs(values["b2"]) * 2**bits
    assert (sums < 2**24).all() and sums.max() > 2**22
    # By its weights alone the first channel would have more.
    assert bits[0] < 7 - np.ceil(np.log2(np.abs(layers[1][0][0]).max())) - np.log2(values["r1_scale"])


def load(state: Files) -> State:
    return State(load_onnx(state[0]), read_ranges(state[1], state[0]))


def test_search_ends_where_no_single_bit_gains(state: Files) -> None:
    found = take(state, "pow2search")
    facts: dict[str, Any] = json.loads(found[1].read_text())["steps"][0]
    frames = [
        np.moveaxis(frame, 2, 0)[None].astype(np.float32) / np.float32(255)
        for frame in np.load(state[1].parent / "set.npy")
    ]
    first = load(state)
    start = bits_by_range(first, "test")

    def error(tensors: dict[str, int], weights: dict[str, int]) -> float:
        moved = with_bits(first, start.moved(tensors, weights), {})
        options = ort.SessionOptions()
        # As written: the INT8 sums of some processors overflow.
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        int8 = ort.InferenceSession(
            quantize_graph(moved.graph, moved.ranges, Path("x")).SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
        )
        float32 = ort.InferenceSession(str(state[0]), providers=["CPUExecutionProvider"])
        pairs = [
            [np.asarray(s.run(None, {"frame": f})[0], np.float64) for s in (int8, float32)] for f in frames
        ]
        return float(np.mean([np.mean((a - b) ** 2) for a, b in pairs]))

    assert error({}, {}) == pytest.approx(facts["mse"]["by_range"], rel=1e-4)
    tensors = {n: facts["fraction_bits"]["tensors"][n] - start.tensors[n] for n in start.tensors}
    weights = {
        name: facts["fraction_bits"]["weights"][layer][0] - int(start.weights[name].min())
        for name, layer in zip(start.weights, ("c1", "c2", "c3"), strict=True)
    }
    best = error(tensors, weights)
    assert best == pytest.approx(facts["mse"]["by_search"], rel=1e-4)
    assert best < 0.95 * facts["mse"]["by_range"]
    for name, move in product(tensors, (1, -1)):
        assert error({**tensors, name: tensors[name] + move}, weights) >= best
    for name, move in product(weights, (1, -1)):
        assert error(tensors, {**weights, name: weights[name] + move}) >= best


def test_the_same_inputs_give_the_same_bytes(state: Files) -> None:
    first = [path.read_bytes() for path in take(state, "pow2search")]
    assert [path.read_bytes() for path in take(state, "pow2search")] == first


def test_uint8_needs_values_from_zero_up(state: Files) -> None:
    record = json.loads(state[1].read_text())
    for low, found in ((-0.5, "found a smallest value of -0.5"), (None, "found nothing measured")):
        record["tensors"]["r1"]["min"] = low
        state[1].write_text(json.dumps(record))
        with pytest.raises(UserError, match=f"step pow2: expected values from 0 up as tensor r1 .*{found}"):
            take(state, "asymmetric", "pow2")


def test_scales_that_a_step_has_chosen_are_not_chosen_again(state: Files) -> None:
    with pytest.raises(UserError, match=r"step pow2search: expected it before .* found pow2 before it"):
        take(state, "pow2", "pow2search")


def test_an_infinite_output_is_said(state: Files) -> None:
    graph = onnx.load(state[0])
    replace_initializers(graph, {"b3": np.full(12, np.nan, np.float32)})
    broken = State(graph, read_ranges(state[1], state[0]))
    job = StepJob(
        "small", CalibrationSettings(name="some", method="minmax"), images(state[1].parent), Pow2Search()
    )
    with pytest.raises(UserError, match="NaN"):
        pow2search.apply(broken, job)
