"""The picture of a training: its loss and its validation, from the log."""

import csv
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.models.training.record import COLUMNS, LogRow

LOSSES = {"l1": ("0.55", "mean absolute error"), "mse": ("0.0", "mean squared error")}


def read_log(log: Path) -> list[LogRow]:
    """Read the rows that `record.write_log` wrote. Raises UserError if the file is no such log or is
    empty."""
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = [
                LogRow(
                    step=int(row["step"]),
                    learning_rate=float(row["learning_rate"]),
                    loss=float(row["loss"]),
                    validation_psnr_y_db=float(text) if (text := row["validation_psnr_y_db"]) else None,
                    objective=row["objective"],
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{log}: expected a training log ({','.join(COLUMNS)}), found otherwise: {error!r}"
        ) from error
    if not rows:
        raise UserError(f"{log}: expected at least one row, found none")
    return rows


def plot_training(log: Path, svg: Path, png: Path) -> None:
    """Draw a training's loss (log axis) and validation luma PSNR (dB) over its steps, as SVG and PNG.

    `log` is the CSV of `train_model`. Told apart by grey and line style alone. Raises UserError for a file
    that is no such log.
    """
    rows = read_log(log)
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    _draw_loss(above, rows)
    _draw_validation(below, rows)
    # Without a date and with named ids, the same log gives the same file.
    named_ids = matplotlib.rc_context({"svg.hashsalt": "superres"})
    with Outputs({"svg": str(svg), "png": str(png)}) as outputs, named_ids:
        figure.savefig(outputs["svg"], format="svg", metadata={"Date": None})
        figure.savefig(outputs["png"], format="png", dpi=150)


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
