"""Line plots show the figures that they are given."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from superres.csv_rows import write_rows
from superres.device.base.errors import UserError
from superres.models.training.record import LogRow, write_log
from superres.report.metrics.schema import Evaluation
from superres.report.plots import figures
from superres.report.plots.curves import plot_images, plot_training

from ..metrics.test_evaluation import not_run, row

SERIES = [
    ("minmax", [(1, "int8-one"), (10, "int8-ten"), (100, "int8-minmax")]),
    ("entropy", [(1, "int8-eone"), (100, "int8-entropy")]),
]


def write(folder: Path) -> Path:
    models = {"espcn_rgb": 0.0, "espcn_ycbcr": 1.0}
    lost = {"fp32": 0.0, "int8-one": 0.5, "int8-ten": 0.25, "int8-minmax": 0.125, "int8-eone": 0.75}
    rows = [
        row("openvino", precision, 36 + offset - loss, model=model)
        for model, offset in models.items()
        for precision, loss in lost.items()
    ]
    # A panel with fewer points has the ticks of all panels.
    rows += [
        row("openvino", name, 36 - loss, model="espcn_anchor")
        for name, loss in {"fp32": 0.0, "int8-ten": -0.5, "int8-minmax": -0.25}.items()
    ]
    # FP32 and a single point: no panel.
    rows += [row("onnxruntime", "fp32", 36.0), row("onnxruntime", "int8-ten", 35.0)]
    rows += [not_run("openvino", "int8-entropy")]
    path = folder / "evaluation.csv"
    write_rows(Evaluation, rows, path)
    return path


def test_a_panel_a_model_and_runtime_with_what_each_point_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    saved: list[Figure] = []
    monkeypatch.setattr(figures, "save", lambda figure, *_: saved.append(figure))
    plot_images(write(tmp_path), tmp_path / "a.svg", tmp_path / "a.png", series=SERIES)
    # The right axis follows the left one when it is drawn.
    saved[0].draw_without_rendering()
    panels = {axes.get_title(loc="left"): axes for axes in saved[0].axes if axes.lines}
    assert list(panels) == ["ESPCN_RGB\nOpenVINO", "ESPCN_YCbCr\nOpenVINO", "ESPCN anchor\nOpenVINO"]
    anchor = panels.pop("ESPCN anchor\nOpenVINO")
    assert list(anchor.get_xticks()) == [1, 10, 100]
    # A gain of INT8 is visible too.
    assert anchor.get_ylim()[0] <= 255**2 * (10**-3.49 - 10**-3.44)
    # The squared errors of 34.4 and 35.4 dB.
    for axes, fp32 in zip(panels.values(), (23.610, 18.754), strict=True):
        most, half, quarter, eighth = (fp32 * (10 ** (loss / 10) - 1) for loss in (0.75, 0.5, 0.25, 0.125))
        lines = {line.get_label(): np.asarray(line.get_xydata()) for line in axes.lines}
        np.testing.assert_allclose(lines["minmax"], [[1, half], [10, quarter], [100, eighth]], rtol=1e-4)
        # An arm that did not run has no point.
        np.testing.assert_allclose(lines["entropy"], [[1, most]], rtol=1e-4)
        assert axes.get_ylim() == pytest.approx((0, 1.08 * most), rel=1e-4)
        # The right axis has the loss in dB.
        top = 10 * np.log10(1 + axes.get_ylim()[1] / fp32)
        assert next(iter(axes.child_axes)).get_ylim() == pytest.approx((0, top), rel=1e-4)
        assert list(axes.get_xticks()) == [1, 10, 100]


def test_both_files_are_whole_the_same_at_every_run_and_grey(tmp_path: Path):
    names = [tmp_path / name for name in ("a.svg", "a.png", "b.svg", "b.png")]
    evaluation = write(tmp_path)
    plot_images(evaluation, names[0], names[1], series=SERIES)
    plot_images(evaluation, names[2], names[3], series=SERIES)
    assert names[0].read_bytes() == names[2].read_bytes()
    assert names[1].read_bytes() == names[3].read_bytes()
    with Image.open(names[1]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(pixels - pixels[..., :1]).max() == 0


def test_nothing_that_ran_is_an_error(tmp_path: Path):
    with pytest.raises(UserError, match="expected INT8 arms with several numbers of images"):
        plot_images(
            write(tmp_path), tmp_path / "a.svg", tmp_path / "a.png", series=[("mse", [(1, "int8-mse")])]
        )
    assert not list(tmp_path.glob("a.*"))


ROWS = [
    LogRow(100, 1e-3, 2.5e-2, None, "l1"),
    LogRow(200, 5e-4, 2e-2, 30.125, "l1"),
    LogRow(300, 1e-5, 1e-3, 31.5, "mse"),
]


def test_plot_is_written_in_grey(tmp_path: Path) -> None:
    curve, svg, png = (tmp_path / f"plot.{kind}" for kind in ("csv", "svg", "png"))
    write_log(ROWS, curve)
    plot_training(curve, svg, png)
    picture = np.asarray(Image.open(png).convert("RGB")).astype(int)
    assert picture.std() > 5
    assert np.ptp(picture, axis=2).max() == 0, "colour would be lost in print"
    text = svg.read_text()
    assert "<svg" in text
    assert "dc:date" not in text


def test_same_log_same_files(tmp_path: Path) -> None:
    write_log(ROWS, tmp_path / "log.csv")
    for name in ("a", "b"):
        plot_training(tmp_path / "log.csv", tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
    for kind in ("svg", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_plot_of_a_log_without_validation(tmp_path: Path) -> None:
    curve, svg, png = (tmp_path / f"plot.{kind}" for kind in ("csv", "svg", "png"))
    write_log(ROWS[:1], curve)
    plot_training(curve, svg, png)
    assert png.stat().st_size > 0
