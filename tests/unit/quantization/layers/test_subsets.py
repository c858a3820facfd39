"""Layers in float: the subsets, their loss, the frontier, the choice by a budget, the step."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import polars as pl
import pytest

from processors import exact_int8
from superres.csv_rows import write_rows
from superres.data.resampling import downsample
from superres.device.base.errors import UserError
from superres.device.frames.psnr import PAPER
from superres.device.tasks.latency import Plan
from superres.quantization.layers.executor import Executor
from superres.quantization.layers.frontier import choose_subset, find_frontier, frontier
from superres.quantization.layers.schema import (
    SubsetLosses,
    SubsetTimes,
    parse_subset,
    read_frontier,
    read_subset_losses,
    subset_text,
)
from superres.quantization.layers.subsets import (
    RecipeState,
    measure_subsets,
    measured_subsets,
    search_subsets,
    time_subsets,
)
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.settings import CalibrationSettings, Mixed
from superres.quantization.state import StepJob, refine_onnx

from ..network import build_network, calibrate, network_weights, write_set

ORT = Executor("onnxruntime", "uint8", 1)
SUBSETS = ["none", "c1", "c2", "c3", "c1 c2", "c1 c3", "c2 c3", "c1 c2 c3"]


def test_up_to_four_layers_every_subset_is_tried() -> None:
    found = search_subsets(["a", "b", "c"], lambda subset: 0.0)
    assert [subset_text(subset) for subset in found] == ["none", "a", "b", "c", "a b", "a c", "b c", "a b c"]
    assert len(search_subsets(list("abcd"), lambda subset: 0.0)) == measured_subsets(4) == 16
    assert [parse_subset(subset_text(subset)) for subset in found] == found


def test_with_more_layers_the_one_that_helps_most_is_next() -> None:
    cost = {"a": 0.1, "b": 0.5, "c": 0.2, "d": 0.05, "e": 0.3}
    asked: list[tuple[str, ...]] = []

    def loss_of(subset: Sequence[str]) -> float:
        asked.append(tuple(subset))
        # e helps only together with c.
        helped = sum(cost[layer] for layer in subset if layer != "e") + cost["e"] * ({"c", "e"} <= {*subset})
        return sum(cost.values()) - helped

    chain = search_subsets(list("abcde"), loss_of)
    assert [subset_text(subset) for subset in chain] == [
        "none",
        "b",
        "b c",
        "b c e",
        "a b c e",
        "a b c d e",
    ]
    assert len({*asked, ()}) == measured_subsets(5) == 16


@pytest.fixture
def state(tmp_path: Path) -> RecipeState:
    """A network whose second layer is bad in INT8: huge weights for a channel that is always 0."""
    layers = network_weights()
    layers[0][0][3], layers[0][1][3] = 0, -1
    layers[1][0][:, 3] = 20
    onnx.save(build_network(layers), tmp_path / "fp32.onnx")
    rng = np.random.default_rng(2)
    # One of odd size, which loses its last row and column.
    sizes = [(24, 32), (25, 31), (40, 26)]
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    images = [image // 4 + 80 for image in images]
    data = FrameFile(write_set(tmp_path, images))
    calibrate(tmp_path / "fp32.onnx", data, tmp_path / "ranges.json")
    return RecipeState("small", "some", tmp_path / "fp32.onnx", tmp_path / "ranges.json")


def pooled_psnr(graph: Path, images: list[np.ndarray]) -> float:
    """PSNR of the mean squared error over images taken as HR, directly from onnxruntime without any
    optimisation."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    errors = []
    for image in images:
        hr = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        lr = np.moveaxis(downsample(hr, "area", 2), 2, 0)[np.newaxis].astype(np.float32) / np.float32(255)
        upscaled = np.asarray(session.run(None, {"frame": lr})[0])[0]
        levels = np.clip(np.rint(upscaled.astype(np.float64) * 255), 0, 255)
        errors.append(np.mean((np.moveaxis(levels, 0, 2) - hr) ** 2))
    return 10 * np.log10(255**2 / np.mean(errors))


def read_set(path: Path) -> list[np.ndarray]:
    flat, shapes = np.load(path), json.loads(path.with_suffix(".json").read_text())["shapes"]
    ends = np.cumsum([height * width * 3 for height, width in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(*shape, 3) for part, shape in zip(parts, shapes, strict=True)]


def measure(state: RecipeState, out: Path, count: int | None = None) -> list[dict[str, Any]]:
    measure_subsets(
        state,
        state.onnx_path,
        FrameFile(out.parent / "set.npy", count),
        out,
        executor=ORT,
        downsampling="area",
        protocol=PAPER,
    )
    return read_subset_losses(out).to_dicts()


@exact_int8
def test_losses_are_those_of_the_graphs_on_images_taken_as_hr(state: RecipeState, tmp_path: Path) -> None:
    rows = measure(state, tmp_path / "l.csv", 2)
    assert [row["float_layers"] for row in rows] == SUBSETS
    images = read_set(tmp_path / "set.npy")[:2]
    fp32 = pooled_psnr(state.onnx_path, images)
    for row in rows:
        layers, path = parse_subset(row["float_layers"]), tmp_path / "q.onnx"
        if len(layers) < row["layers"]:
            quantize_onnx(state.onnx_path, state.ranges_path, path, float_layers=layers)
        else:
            path = state.onnx_path
        assert row["psnr_of_mean_db"] == pytest.approx(pooled_psnr(path, images), abs=0.02)
        assert row["fp32_psnr_of_mean_db"] == pytest.approx(fp32, abs=1e-3)
        error, exact = (255**2 / 10 ** (row[f"{name}psnr_of_mean_db"] / 10) for name in ("", "fp32_"))
        assert row["added_mse"] == pytest.approx(error - exact, abs=1e-6)
        assert (row["layers"], row["images"]) == (3, 2)
    # Random weights don't upscale, so noise may help: only the size of the change counts.
    losses = {row["float_layers"]: abs(row["loss_db"]) for row in rows}
    assert losses["c1 c2 c3"] == 0
    assert losses["c2"] < 0.5 * losses["none"] and losses["c1 c3"] > 0.8 * losses["none"]
    assert [row["int8_convolutions"] for row in rows][0::7] == [3, 0]


def test_all_subsets_are_timed_in_every_round(state: RecipeState, tmp_path: Path) -> None:
    measure(state, tmp_path / "l.csv")
    plan = Plan(0, 5, 0.05, 0, 5, 60, 0, 0)
    started = time.perf_counter_ns()
    time_subsets(state, tmp_path / "l.csv", tmp_path / "set.npy", tmp_path / "t.csv", executor=ORT, plan=plan)
    passed_ms = (time.perf_counter_ns() - started) / 1e6
    times = pl.read_csv(tmp_path / "t.csv")
    assert times["round"].to_list() == [i for i in range(5) for _ in SUBSETS]
    assert times["float_layers"].to_list() == SUBSETS * 5
    assert times["frame"].to_list()[:: len(SUBSETS)] == [0, 1, 2, 0, 1]
    milliseconds = times["milliseconds"].to_list()
    assert min(milliseconds) > 0 and sum(milliseconds) <= passed_ms
    find_frontier(tmp_path / "l.csv", tmp_path / "t.csv", tmp_path / "f.csv")
    rows = read_frontier(tmp_path / "f.csv").to_dicts()
    assert [row["float_layers"] for row in rows] == SUBSETS
    assert (rows[0]["time_ratio"], rows[0]["rounds"]) == (1.0, 5)


FACTS = {
    "model": "small",
    "recipe": "some",
    "runtime": "openvino",
    "threads": 1,
    "runtime_version": "1",
    "onnx_sha256": "ab" * 32,
    "ranges_sha256": "cd" * 32,
}
# Loss in dB; then milliseconds of three rounds, the machine twice as slow in the second.
TABLE = {
    "none": (0.30, (10.0, 20.0, 10.0)),
    "c1": (0.20, (11.0, 26.0, 12.0)),
    "c2": (0.10, (15.0, 30.0, 15.0)),
    "c1 c2": (0.15, (17.0, 36.0, 18.0)),
    "c1 c2 c3": (0.00, (30.0, 60.0, 30.0)),
}


def write_tables(folder: Path, **other: Any) -> tuple[Path, Path]:
    losses = [
        {
            **FACTS,
            "float_layers": name,
            "layers": 3,
            "images": 4,
            "downsampling": "bicubic",
            "border": 0,
            "psnr_of_mean_db": 31 - loss,
            "fp32_psnr_of_mean_db": 31.0,
            "loss_db": loss,
            "added_mse": 50 * loss,
            "int8_convolutions": 0 if name == "c1 c2 c3" else 3 - len(parse_subset(name)),
        }
        for name, (loss, _) in TABLE.items()
    ]
    times = [
        {**FACTS, "round": i, "frame": 0, "float_layers": name, "milliseconds": row[i], "threads": 2, **other}
        for i in range(3)
        for name, (_, row) in TABLE.items()
    ]
    write_rows(SubsetLosses, losses, folder / "l.csv")
    write_rows(SubsetTimes, times, folder / "t.csv")
    return folder / "l.csv", folder / "t.csv"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    find_frontier(*write_tables(tmp_path), tmp_path / "f.csv")
    return tmp_path / "f.csv"


def test_the_frontier_is_what_no_other_is_better_than_in_both(table: Path) -> None:
    rows = {row["float_layers"]: row for row in read_frontier(table).to_dicts()}
    assert [name for name, row in rows.items() if row["on_frontier"]] == ["none", "c1", "c2", "c1 c2 c3"]
    # Ratios of each round's own INT8: 1.1, 1.3, 1.2. The medians' ratio would be 1.2 as well, of the mean
    # 1.225.
    found = [rows["c1"][key] for key in ("time_ratio_q1", "time_ratio", "time_ratio_q3", "latency_p50_ms")]
    assert found == pytest.approx([1.15, 1.2, 1.25, 12.0])
    assert (rows["c1"]["rounds"], rows["c1"]["threads"]) == (3, 2)


def test_equal_points_are_both_on_the_frontier() -> None:
    rows = [{"time_ratio": t, "loss_db": loss} for t, loss in ((1, 0.2), (1, 0.2), (2, 0.1), (2, 0.2))]
    assert frontier(rows) == [True, True, True, False]


@pytest.mark.parametrize(
    "other", [{"model": "large"}, {"runtime": "onnxruntime"}, {"ranges_sha256": "ef" * 32}]
)
def test_times_of_another_state_are_refused(tmp_path: Path, other: dict[str, str]) -> None:
    losses, times = write_tables(tmp_path, **other)
    with pytest.raises(UserError, match=r"t\.csv: expected times of the subsets in .*time them again"):
        find_frontier(losses, times, tmp_path / "f.csv")
    assert not (tmp_path / "f.csv").exists()


def test_the_cheapest_within_the_budget_is_chosen(table: Path) -> None:
    rows = read_frontier(table).to_dicts()

    def chosen(budget: float) -> str:
        found = choose_subset(rows, Mixed(budget_db=budget), table)["float_layers"]
        # The table adds an error of 50 for each dB.
        assert choose_subset(rows, Mixed(budget_mse=50 * budget), table)["float_layers"] == found
        return found

    assert [chosen(budget) for budget in (0.5, 0.30, 0.29, 0.20, 0.16, 0.10)] == [
        "none",
        "none",
        "c1",
        "c1",
        "c2",
        "c2",
    ]


def test_of_equal_times_the_fewest_layers_then_the_least_loss() -> None:
    def row(name: str, ratio: float, loss: float) -> dict[str, Any]:
        return {"float_layers": name, "time_ratio": ratio, "loss_db": loss, "int8_convolutions": 1}

    rows = [row("c1 c2", 1.196, 0.01), row("c3", 1.204, 0.04), row("c1", 1.203, 0.03), row("c2", 1.21, 0.02)]
    assert choose_subset(rows, Mixed(budget_db=0.05), Path("f.csv"))["float_layers"] == "c1"
    assert choose_subset(rows, Mixed(budget_db=0.025), Path("f.csv"))["float_layers"] == "c1 c2"


def test_a_budget_that_nothing_meets_names_the_least_loss(table: Path) -> None:
    # All layers in float lose nothing, but that is FP32.
    with pytest.raises(UserError) as caught:
        choose_subset(read_frontier(table).to_dicts(), Mixed(budget_db=0.05), table)
    message = str(caught.value)
    assert "loses 0.05 dB at most, found 0.1000 dB as the least, with c2 in float" in message
    assert "steps.mixed.budget_db" in message and "\n" not in message
    adds = r"adds a mean squared error of 4\.0 at most, found 5\.0000 as the least, with c2 in float; raise "
    with pytest.raises(UserError, match=rf"{adds}steps\.mixed\.budget_mse"):
        choose_subset(read_frontier(table).to_dicts(), Mixed(budget_mse=4), table)


def refine(state: RecipeState, table: Path | None, budget: float | Mixed, out: Path) -> dict[str, Any]:
    calibration = CalibrationSettings(name="some", method="minmax")
    settings = budget if isinstance(budget, Mixed) else Mixed(budget_db=budget)
    job = StepJob("small", calibration, None, settings, measured=table)
    files = {"onnx_out": out.with_suffix(".onnx"), "ranges_out": out.with_suffix(".json")}
    refine_onnx(state.onnx_path, state.ranges_path, "mixed", job, **files)
    return json.loads(out.with_suffix(".json").read_text())


def test_the_step_keeps_the_chosen_layers_in_float(state: RecipeState, table: Path, tmp_path: Path) -> None:
    record = refine(state, table, 0.16, tmp_path / "some+mixed")
    assert record["float_convolutions"] == ["c2"]
    (step,) = record["steps"]
    assert (step["step"], step["float_layers"], step["loss_db"], step["time_ratio"]) == (
        "mixed",
        ["c2"],
        0.10,
        1.5,
    )
    assert step["settings"] == {"budget_db": 0.16, "runtime": "openvino", "downsampling": "bicubic"}
    other = refine(state, table, Mixed(budget_mse=8), tmp_path / "mse+mixed")
    assert other["float_convolutions"] == ["c2"] and other["steps"][0]["added_mse"] == 5
    assert other["steps"][0]["settings"] == {
        "budget_mse": 8,
        "runtime": "openvino",
        "downsampling": "bicubic",
    }
    quantize_onnx(tmp_path / "some+mixed.onnx", tmp_path / "some+mixed.json", tmp_path / "q.onnx")
    graph = onnx.load(tmp_path / "q.onnx").graph
    inputs = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Conv"}
    assert inputs == {"c1": "w1_dequantized", "c2": "w2", "c3": "w3_dequantized"}


def test_the_step_needs_its_measurement_and_its_budget(
    state: RecipeState, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="step mixed: expected a file of what was measured before it"):
        refine(state, None, 0.1, tmp_path / "a")
    with pytest.raises(UserError, match="with c2 in float"):
        refine(state, table, 0.01, tmp_path / "a")
    with pytest.raises(UserError, match="line 1: expected the frontier of a model's layers in float"):
        refine(state, state.ranges_path, 0.1, tmp_path / "a")
    assert not list(tmp_path.glob("a.*"))
