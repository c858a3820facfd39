from pathlib import Path

import numpy as np
from PIL import Image

from superres.models.training.record import LogRow, write_log
from superres.report.plots.training import plot_training

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
