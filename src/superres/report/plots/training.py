"""The picture of a training: its loss and its validation, from the log."""

from pathlib import Path

from matplotlib.axes import Axes

from superres.models.training.record import LogRow, read_log
from superres.report.plots import figures

LOSSES = {"l1": ("0.55", "mean absolute error"), "mse": ("0.0", "mean squared error")}


def plot_training(curve: Path, svg: Path, png: Path) -> None:
    """Draw a training's loss (log axis) and validation luma PSNR (dB) over its steps, as SVG and PNG.

    `curve` is the CSV of `train_model`. Told apart by grey and line style alone. Raises UserError for a file
    that is no such log.
    """
    rows = read_log(curve)
    with figures.style():
        figure = figures.new_figure(7, 5)
        above, below = figure.subplots(2, 1, sharex=True)
        _draw_loss(above, rows)
        _draw_validation(below, rows)
        figures.save(figure, svg, png)


def _draw_loss(axes: Axes, rows: list[LogRow]) -> None:
    for objective, (grey, label) in LOSSES.items():
        part = [row for row in rows if row.objective == objective]
        if part:
            axes.plot([row.step for row in part], [row.loss for row in part], color=grey, label=label)
    axes.set_yscale("log")
    axes.set_ylabel("training loss")
    axes.grid(visible=True, which="both", color="0.9")
    axes.legend()


def _draw_validation(axes: Axes, rows: list[LogRow]) -> None:
    points = [(row.step, row.validation_psnr_y_db) for row in rows if row.validation_psnr_y_db is not None]
    steps, scores = [step for step, _ in points], [score for _, score in points]
    axes.plot(steps, scores, "o-", color="0.0", markersize=3)
    if points:
        axes.annotate(
            f"{scores[-1]:.2f}", points[-1], textcoords="offset points", xytext=(0, -12), ha="right"
        )
    axes.set_ylabel("validation PSNR$_Y$ [dB]")
    axes.set_xlabel("step")
    axes.grid(visible=True, color="0.9")
