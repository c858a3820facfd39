"""Losses and speedups relative to other arms: always of the arm's own target."""

import math
from pathlib import Path

import pytest

from superres.csv_rows import write_rows
from superres.device.timing.ratios import Ratio
from superres.report.metrics.cautions import with_doubts
from superres.report.metrics.relative import (
    added_mse,
    describe_added,
    find_speedups,
    fp32_of,
    loss_of,
    paper_speedups,
    with_added,
)
from superres.report.metrics.schema import Evaluation
from superres.report.plots.curves import plot_images
from superres.report.plots.losses import int8_losses
from superres.report.tables.cells import TableText
from superres.report.tables.evaluation_table import write_evaluation

from ..synthetic import not_run, row
from . import test_evaluation


def test_an_arm_over_pytorch_and_over_its_own_fp32() -> None:
    rows = [
        row("pytorch", "espcn_rgb", "fp32", 31.0, 560.0),
        row("openvino", "espcn_rgb", "fp32", 31.0, 140.0),
        row("openvino", "espcn_rgb", "int8-minmax", 30.8, 35.0),
        row("openvino", "espcn_ycbcr", "int8-minmax", 30.8, 70.0),
    ]
    found = find_speedups(rows[2], rows)
    assert {name: ratio and round(ratio.value, 9) for name, ratio in found.items()} == {
        "speedup": 4.0,
        "speedup_pytorch": 16.0,
        "speedup_fp32": 4.0,
    }
    assert find_speedups(rows[3], rows)["speedup_pytorch"] is None
    # An arm over itself.
    assert find_speedups(rows[0], rows)["speedup_pytorch"] == Ratio(1.0, 1.0, 1.0)
    alone = row(
        "openvino", "espcn_rgb", "fp32", 31.0, 140.0, speedup=None, speedup_low=None, speedup_high=None
    )
    assert set(find_speedups(alone, [alone]).values()) == {None}


def test_the_papers_speedups_are_those_of_its_fps() -> None:
    fps = {("espcn_rgb", "pytorch", "fp32"): 10.39, ("espcn_rgb", "tensorrt", "fp32"): 14.08}
    found = paper_speedups({**fps, ("espcn_rgb", "tensorrt", "int8"): 51.95})
    assert round(found["speedup_pytorch", "espcn_rgb", "tensorrt", "int8"], 2) == 5.0
    assert round(found["speedup_fp32", "espcn_rgb", "tensorrt", "int8"], 2) == 3.69


# The same runtime gives another FP32 on each target: 31 and 30 dB. INT8 loses 0.25 on one, 0.75 on the other.
LOCAL = [
    row("openvino", "espcn_rgb", "fp32", 31.0, 140.0),
    row("openvino", "espcn_rgb", "int8-minmax", 30.75, 44.0),
]
BOARD = [
    row("openvino", "espcn_rgb", "fp32", 30.0, 500.0, target="board"),
    row("openvino", "espcn_rgb", "int8-minmax", 29.25, 200.0, target="board"),
]


@pytest.mark.parametrize("rows", [LOCAL + BOARD, BOARD + LOCAL])
def test_each_target_has_its_own_reference(rows: list[dict]) -> None:
    expected = {"local": 0.25, "board": 0.75}
    int8 = [row for row in rows if row["precision"] == "int8-minmax"]
    assert {row["target"]: loss_of(row, rows, "psnr_db") for row in int8} == expected
    # The plot has the same losses.
    assert {row["target"]: row["psnr_db"] for row in int8_losses(rows)} == expected
    judged = with_doubts(rows, far_db=0.5)
    found = {row["target"]: row.get("cautions") for row in judged if row["precision"] == "int8-minmax"}
    assert found["local"] is None
    assert "0.75 dB below FP32" in (found["board"] or "")


def test_another_runtime_of_the_target_comes_before_another_target() -> None:
    pytorch = row("pytorch", "espcn_rgb", "fp32", 30.5, 900.0, target="board")
    int8 = BOARD[1]
    assert fp32_of(int8, [*LOCAL, pytorch, BOARD[0]]) is BOARD[0]
    assert fp32_of(int8, [*LOCAL, pytorch]) is pytorch
    # A plot compares within one runtime.
    assert int8_losses([*LOCAL[:1], pytorch, int8]) == []
    # FP32 of another machine is no reference.
    assert fp32_of(int8, LOCAL) is None and loss_of(int8, LOCAL, "psnr_db") is None


def test_the_same_error_is_added_at_any_psnr_of_fp32() -> None:
    """Errors of 4 and 0.25 levels squared in FP32, 5.5 more in INT8: far apart in dB."""
    losses = []
    for fp32 in (4.0, 0.25):
        rows = [
            row("openvino", "espcn_rgb", name, 30.0, 100.0, psnr_of_mean_db=10 * math.log10(255**2 / error))
            for name, error in (("fp32", fp32), ("int8-a", fp32 + 5.5), ("int8-b", fp32 - 0.1))
        ]
        found = with_added(rows)
        assert [line["added_mse"] for line in found] == pytest.approx([0, 5.5, -0.1], abs=1e-9)
        # The root of 5.5; none of nothing, and none of less.
        assert [line["added_levels"] for line in found] == [None, pytest.approx(2.345208, abs=1e-6), None]
        assert [describe_added(line["added_mse"]) for line in found] == ["0.00", "5.50 (2.3)", "-0.10"]
        losses.append(loss_of(rows[1], rows, "psnr_of_mean_db"))
        # How a reader gets dB for pictures of his own.
        assert losses[-1] == pytest.approx(10 * math.log10(1 + found[1]["added_mse"] / fp32))
    assert losses == pytest.approx([3.757, 13.617], abs=1e-3)


def test_each_target_adds_to_its_own_fp32() -> None:
    rows = BOARD + LOCAL
    found = {line["target"]: line["added_mse"] for line in with_added(rows) if line["precision"] != "fp32"}
    error = {psnr: 255**2 / 10 ** ((psnr - 0.02) / 10) for psnr in (31.0, 30.75, 30.0, 29.25)}
    assert found == pytest.approx({"local": error[30.75] - error[31.0], "board": error[29.25] - error[30.0]})
    missing = not_run("openvino", "espcn_rgb", "int8-dummy", "no reason")
    assert added_mse(missing, [*LOCAL, missing]) is added_mse(BOARD[1], LOCAL) is None


def test_what_did_not_run_has_no_loss_and_is_no_reference() -> None:
    missing = not_run("openvino", "espcn_rgb", "int8-dummy", "no reason")
    assert loss_of(missing, [*LOCAL, missing], "psnr_db") is None
    failed = not_run("openvino", "espcn_rgb", "fp32", "no reason")
    assert fp32_of(LOCAL[1], [failed, LOCAL[1]]) is None


def test_the_evaluation_of_two_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        test_evaluation.row("openvino", precision, psnr_y, target=target)
        for target, figures in {"local": (31.0, 30.75, 30.5), "board": (30.0, 29.25, 29.5)}.items()
        for precision, psnr_y in zip(("fp32", "int8-a", "int8-b"), figures, strict=True)
    ]
    write_rows(Evaluation, rows, tmp_path / "evaluation.csv")
    write_evaluation(
        "two",
        tmp_path / "evaluation.csv",
        TableText(),
        tmp_path / "evaluation.md",
        seeds=[("dummy", ["int8-a", "int8-b"])],
    )
    text = (tmp_path / "evaluation.md").read_text()
    assert all(cell in text for cell in ("30.75 (-0.250)", "29.25 (-0.750)"))
    spread = {
        line.split("|")[2].strip(): line.split("|")[6:9] for line in text.splitlines() if "dummy" in line
    }
    assert {where: [cell.strip() for cell in cells] for where, cells in spread.items()} == {
        "OpenVINO on local": ["0.375", "0.250", "0.500"],
        "OpenVINO on board": ["0.625", "0.500", "0.750"],
    }
    saved = []
    monkeypatch.setattr("superres.report.plots.figures.save", lambda figure, *_: saved.append(figure))
    series = [("dummy", [(1, "int8-a"), (10, "int8-b")])]
    plot_images(tmp_path / "evaluation.csv", tmp_path / "a.svg", tmp_path / "a.png", series=series)
    curves = {
        axes.get_title(loc="left").rpartition(" on ")[2]: axes.lines[0].get_ydata() for axes in saved[0].axes
    }
    # The error that each adds to that of FP32 on its own target.
    for target, curve in curves.items():
        fp32, *errors = (255**2 / 10 ** (r["psnr_of_mean_db"] / 10) for r in rows if r["target"] == target)
        assert list(curve) == pytest.approx([error - fp32 for error in errors])
    assert curves.keys() == {"local", "board"}
