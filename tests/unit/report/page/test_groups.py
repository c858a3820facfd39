"""The plots of INT8 and of operations: their figures, and text that Plotly can't take for markup."""

import json
from pathlib import Path

import numpy as np
import pytest

from superres.csv_rows import write_rows
from superres.quantization.layers.schema import Frontier, Sensitivity
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.histogram import BINS
from superres.quantization.ranges.observation import observe_activations, read_observed
from superres.report.page.int8 import Int8Files, int8_groups
from superres.report.page.operations import operations

from ...quantization.conftest import network  # noqa: F401 (a fixture)
from ..metrics.test_profiles import write_profile
from ..plots.test_layers import frontier_rows, sensitivity_rows
from ..synthetic import default_rows, row


def test_histograms_hold_all_values_and_each_threshold(network: Path, tmp_path: Path):  # noqa: F811
    observed = tmp_path / "o.npz"
    observe_activations(network, RandomImages("uniform", 0, 2, 24, 32), observed, model="m", threads=1)
    seen = read_observed(observed).tensors
    ranges = tmp_path / "minmax.json"
    ranges.write_text(json.dumps({"tensors": {name: {"amax": one.amax / 2} for name, one in seen.items()}}))
    files = Int8Files({"mine": {"random": observed}}, {"mine": {"a<b": ranges}})
    (group,) = int8_groups([], (), files)
    assert [figure.name for figure in group.figures] == [f"mine: {name}" for name in seen]
    for figure, one in zip(group.figures, seen.values(), strict=True):
        values, threshold = figure.data
        shares = [share for share in values["y"][:-1] if share > min(values["y"])]
        assert sum(shares) == pytest.approx(1, abs=0.02)
        assert threshold["x"] == [one.amax / 2, one.amax / 2]
        # No line lies on the edge of the plot, where nobody sees it.
        assert figure.layout["xaxis"]["range"][1] > max(*values["x"], one.amax / 2)
        assert (
            threshold["name"].startswith("a&lt;b: ")
            and f", {one.beyond(one.amax / 2):.2%} beyond" in threshold["name"]
        )
    assert BINS > 128


def test_bars_of_a_histogram_against_numpy(network: Path, tmp_path: Path):  # noqa: F811
    observed = tmp_path / "o.npz"
    observe_activations(network, RandomImages("uniform", 0, 1, 24, 32), observed, model="m", threads=1)
    (group,) = int8_groups([], (), Int8Files({"m": {"random": observed}}))
    frame = next(figure for figure in group.figures if figure.name == "m: frame")
    x, y = np.array(frame.data[0]["x"]), frame.data[0]["y"][:-1]
    seen = read_observed(observed).tensors["frame"]
    middles = (np.arange(BINS) + 0.5) * seen.width
    expected = np.histogram(middles, bins=x, weights=seen.counts)[0] / seen.total
    np.testing.assert_allclose(y, expected, atol=2e-4)


def test_losses_over_images_per_layer_and_the_front(tmp_path: Path):
    rows = [
        *default_rows(),
        row("openvino", "espcn_rgb", "int8-few", 30.5, 44.0),
    ]
    series = [("min<max", ((1, "int8-few"), (40, "int8-minmax")))]
    sensitivity, front = tmp_path / "s.csv", tmp_path / "f.csv"
    write_rows(Sensitivity, sensitivity_rows("espcn_rgb"), sensitivity)
    write_rows(Frontier, frontier_rows("espcn_rgb"), front)
    files = Int8Files(sensitivities=[sensitivity], frontiers=[front])
    images, layers, mixed = int8_groups(rows, series, files)
    (line,) = images.figures[0].data
    fp32 = next(
        r for r in rows if (r["runtime"], r["model"], r["precision"]) == ("openvino", "espcn_rgb", "fp32")
    )
    assert [*line["x"]] == [1, 40]
    few, exact = (255**2 / 10 ** (one["psnr_of_mean_db"] / 10) for one in (rows[-1], fp32))
    assert line["y"][0] == pytest.approx(few - exact) and line["name"] == "min&lt;max"
    lost = next(one for one in layers.figures[0].data if one["name"] == "weights: added alone")
    assert lost["x"][:2] == ["conv1", "conv2"] and lost["y"][:2] == pytest.approx([1.15, 1.7])
    points, best = mixed.figures[0].data
    assert len(points["x"]) == 4 and len(best["x"]) == 3
    measured = sorted(frontier_rows("espcn_rgb"), key=lambda one: one["time_ratio"])
    assert points["y"] == [one["added_mse"] for one in measured]
    assert points["customdata"] == [one["loss_db"] for one in measured]
    assert "in float: conv1, conv2" in points["text"]


def test_operations_are_stacked_and_counted(tmp_path: Path):
    group, table = operations([write_profile(tmp_path / "espcn_rgb")])
    assert group is not None and table is not None
    stack = {one["name"]: (one["x"], one["customdata"]) for one in group.figures[0].data}
    assert stack["convolution"] == ([3.0], [2])
    assert sum(ms for (ms,), _ in stack.values()) == pytest.approx(10)
    (line,) = table.rows
    assert dict(zip(table.header, line, strict=True))["all"] == "5"


def test_arms_that_did_not_run_have_no_operations(tmp_path: Path):
    files = [write_profile(tmp_path / "none", "espcn_rgb", "not run: needs a CUDA device")]
    assert operations(files) == operations([]) == (None, None)
