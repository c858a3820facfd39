"""Line plots: what INT8 adds over the number of calibration images, and a training over its steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from superres.csv_rows import Row
from superres.device.base.errors import UserError
from superres.models.training.record import LogRow, read_log
from superres.report import labels
from superres.report.metrics.relative import added_mse, fp32_of, squared_error
from superres.report.metrics.schema import read_evaluation
from superres.report.plots import figures

Series = tuple[str, Sequence[tuple[int, str]]]
"""A label, and the precision for each number of images."""
Curves = dict[str, list[tuple[int, float]]]
"""The number of images and the squared error added, by a line's label."""

_STYLES: tuple[dict[str, Any], ...] = (
    {"marker": "o", "color": "black", "linestyle": "-", "markerfacecolor": "white"},
    {"marker": "s", "color": "0.35", "linestyle": "--", "markerfacecolor": "0.35"},
    {"marker": "^", "color": "0.35", "linestyle": ":", "markerfacecolor": "white"},
    {"marker": "D", "color": "black", "linestyle": "-.", "markerfacecolor": "black"},
    {"marker": "v", "color": "0.6", "linestyle": "-", "markerfacecolor": "0.6"},
    {"marker": "P", "color": "0.6", "linestyle": "--", "markerfacecolor": "white"},
    {"marker": "X", "color": "black", "linestyle": ":", "markerfacecolor": "black"},
    {"marker": "<", "color": "0.35", "linestyle": "-.", "markerfacecolor": "white"},
)


def plot_images(evaluation: Path, svg: Path, png: Path, *, series: Sequence[Series]) -> None:
    """Draw the squared error that INT8 adds over the number of calibration images, and the PSNR lost.

    There is a panel per model, runtime, target and clip, and a line for each of `series`. Raises UserError
    if none of them ran.
    """
    rows = read_evaluation(evaluation).to_dicts()
    panels = _panels(rows, series)
    if not panels:
        raise UserError(
            f"{evaluation}: expected INT8 arms with several numbers of images, found none that ran; see "
            "their status"
        )
    columns = min(3, len(panels)) if len(panels) != 4 else 2
    lines = -(-len(panels) // columns)
    ticks = sorted({images for _, points in series for images, _ in points})
    with figures.style():
        figure = figures.new_figure(4.1 * columns, 3.1 * lines + 0.8)
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
        for axes, (title, (fp32_error, curves)) in zip(grid.flat, panels.items(), strict=False):
            _draw(axes, title, curves, [label for label, _ in series], ticks)
            figures.add_loss_axis(axes, fp32_error)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        handles = [Line2D([], [], label=label, **_style(index)) for index, (label, _) in enumerate(series)]
        columns_of_legend = min(len(handles), 2 * columns)
        figure.legend(handles=handles, loc="outside upper left", ncols=columns_of_legend, frameon=False)
        note = (
            "Mean squared error over R, G, B and all images: INT8 minus FP32 in the same runtime. "
            + "The panels differ in scale." * (len(panels) > 1)
        )
        figures.add_note(figure, [note, figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def _style(index: int) -> dict[str, Any]:
    return {"markersize": 5, "linewidth": 1.2, **_STYLES[index % len(_STYLES)]}


def _panels(rows: Sequence[Row], series: Sequence[Series]) -> dict[str, tuple[float, Curves]]:
    """Return FP32's squared error and what INT8 adds over the number of images, by panel title."""
    places = list(dict.fromkeys((row["clip"], row["target"]) for row in rows))
    panels: dict[str, tuple[float, Curves]] = {}
    for place in places:
        for runtime in labels.order_runtimes(row["runtime"] for row in rows):
            for model in labels.order_models(row["model"] for row in rows):
                key = (*place, runtime, model)
                mine = {row["precision"]: row for row in rows if _key(row) == key}
                curves = {label: _curve(points, mine, rows) for label, points in series}
                # A single point is no curve.
                fp32 = next((found for row in mine.values() if (found := fp32_of(row, rows))), None)
                if fp32 is not None and any(len(curve) > 1 for curve in curves.values()):
                    where = f" on {' on '.join(place)}" if len(places) > 1 else ""
                    title = f"{labels.model_label(model)}\n{labels.runtime_label(runtime)}{where}"
                    panels[title] = squared_error(fp32["psnr_of_mean_db"]), curves
    return panels


def _key(row: Row) -> tuple[str, str, str, str]:
    return row["clip"], row["target"], row["runtime"], row["model"]


def _curve(
    points: Sequence[tuple[int, str]], mine: Mapping[str, Row], rows: Sequence[Row]
) -> list[tuple[int, float]]:
    return [
        (images, added)
        for images, precision in points
        if precision in mine and (added := added_mse(mine[precision], rows)) is not None
    ]


def _draw(
    axes: Axes,
    title: str,
    curves: Mapping[str, Sequence[tuple[int, float]]],
    names: Sequence[str],
    ticks: Sequence[int],
) -> None:
    for label, points in curves.items():
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **_style(names.index(label)))
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.tick_params(axis="x", labelbottom=True)
    # From 0, to compare errors by height; from below if INT8 gains.
    added = [error for points in curves.values() for _, error in points]
    if any(added):
        axes.set_ylim(1.08 * min(0.0, *added), 1.08 * max(0.0, *added))
    axes.set_xlabel("calibration images")
    axes.set_ylabel(figures.ADDED)
    axes.grid(color="0.92")


LOSSES = {"l1": ("0.55", "mean absolute error"), "mse": ("0.0", "mean squared error")}


def plot_training(curve: Path, svg: Path, png: Path) -> None:
    """Draw a training's loss (log axis) and validation PSNR_Y [dB] over its steps.

    `curve` is the CSV of `train_model`. Raises UserError for any other file.
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
        axes.annotate(f"{scores[-1]:.2f}", points[-1], textcoords="offset points", xytext=(5, 0), va="center")
    axes.set_ylabel("validation PSNR$_Y$ [dB]")
    axes.set_xlabel("step")
    axes.margins(x=0.08)
    axes.grid(visible=True, color="0.9")
