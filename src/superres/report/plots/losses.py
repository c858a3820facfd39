"""What INT8 loses against FP32, from `metrics.csv`."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from superres.csv_rows import Row
from superres.report import labels
from superres.report.metrics.cautions import MEANINGS, OVERFLOWING, OVERFLOWING_MARK
from superres.report.metrics.relative import added_mse, describe_added, fp32_of, loss_of
from superres.report.plots import figures
from superres.report.plots.places import draw_nothing, place_of, places_of, read_rows, where_words

_LOSSES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "psnr_db": ("PSNR lost against FP32 [dB]", "{:.3f}".format),
    "psnr_y_db": ("PSNR_Y lost against FP32 [dB]", "{:.3f}".format),
    "added_mse": ("Squared error added (root)", describe_added),
}


def plot_int8_loss(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw what each INT8 loses [dB] and adds in squared error to FP32 of the same model and runtime.

    Bars of arms whose sums can overflow end where the longest other bar does: that fault can be a hundred
    times a loss.
    """
    rows, ran = read_rows(metrics)
    losses = int8_losses(ran)
    if not losses:
        draw_nothing("INT8 has run beside FP32 in the same runtime", rows, svg, png)
        return
    precisions = labels.order_precisions((row["precision"] for row in losses), calibrated)
    groups = _loss_groups(losses, precisions)
    places = places_of(losses)
    # Beside another clip's, PSNR_Y tells little more than PSNR.
    keys = [key for key in _LOSSES if len(places) == 1 or key != "psnr_y_db"]
    panels_of = [(place, key) for place in places for key in keys]
    columns = min(4, len(panels_of))
    lines = -(-len(panels_of) // columns)
    with figures.style():
        height = 0.27 * (sum(map(len, groups.values())) + len(groups)) + 0.5
        figure = figures.new_figure(2.6 + 2.9 * columns, height * lines + 1)
        grid = figure.subplots(lines, columns, sharey=True, squeeze=False)
        for axes in list(grid.flat)[len(panels_of) :]:
            axes.set_axis_off()
        for axes, (place, key) in zip(grid.flat, panels_of, strict=False):
            _draw_losses(axes, [row for row in losses if place_of(row) == place], groups, precisions, key)
            title = _LOSSES[key][0] + (f"\n{where_words(place, places)}" * (len(places) > 1))
            axes.set_title(title, loc="left", fontweight="bold")
        if len(places) == 1:
            grid[0][1].sharex(grid[0][0])
        handles = [
            Patch(**figures.bar_style(name, precisions), label=labels.precision_label(name))
            for name in precisions
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False)
        note = "Each bar: FP32 against INT8 in the same runtime. INT8 dummy: ranges of one random image."
        added = "Squared error: over R, G, B; its root in levels in brackets. It depends less on the clip."
        overflow = (
            f"{OVERFLOWING_MARK} {MEANINGS[OVERFLOWING]}; → such a bar is longer than the longest other."
        )
        overflow *= any(map(_overflows, losses))
        figures.add_note(figure, [note, added, overflow, figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def _overflows(row: Row) -> bool:
    return OVERFLOWING in (row["cautions"] or "")


def int8_losses(rows: Sequence[Row]) -> list[Row]:
    """Return rows of INT8 arms whose `psnr_db` and `psnr_y_db` are losses against FP32 (`loss_of`).

    `added_mse` is theirs over the same FP32. Arms without FP32 in their own runtime are skipped.
    """
    losses = []
    for row in rows:
        fp32 = fp32_of(row, rows)
        if row["precision"].startswith("int8-") and fp32 and fp32["runtime"] == row["runtime"]:
            lost = {key: loss_of(row, rows, key) for key in ("psnr_db", "psnr_y_db")}
            losses.append({**row, **lost, "added_mse": added_mse(row, rows)})
    return losses


def _loss_groups(losses: Sequence[Row], precisions: Sequence[str]) -> dict[tuple[str, str], list[str]]:
    """Return the precisions of each model in each runtime, in the order of the plot."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in labels.order_models(row["model"] for row in losses):
        for runtime in labels.order_runtimes(row["runtime"] for row in losses):
            mine = {row["precision"] for row in losses if (row["model"], row["runtime"]) == (model, runtime)}
            if mine:
                found[model, runtime] = [precision for precision in precisions if precision in mine]
    return found


def _draw_losses(
    axes: Axes,
    losses: Sequence[Row],
    groups: Mapping[tuple[str, str], Sequence[str]],
    precisions: Sequence[str],
    key: str,
) -> None:
    longest = max((row[key] for row in losses if not _overflows(row)), default=0.0)
    if longest <= 0:
        longest = math.inf
    ticks, y = [], 0.0
    for group, shown in groups.items():
        mine = {row["precision"]: row for row in losses if (row["model"], row["runtime"]) == group}
        ticks.append(y + (len(shown) - 1) / 2)
        for precision in shown:
            if precision in mine:
                row = mine[precision]
                value, text = row[key], _LOSSES[key][1](row[key])
                if _overflows(row):
                    text = "→ " * (value > longest) + text + OVERFLOWING_MARK
                    value = min(value, longest)
                axes.barh(y, value, height=0.85, **figures.bar_style(precision, precisions))
                place = (max(value, 0), y)
                axes.annotate(text, place, (3, 0), textcoords="offset points", va="center", fontsize=8)
            y += 1
        y += 0.8
    names = [f"{labels.model_label(model)}\n{labels.runtime_label(runtime)}" for model, runtime in groups]
    axes.set_yticks(ticks, names)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.25, y=0.02)
    axes.grid(axis="x", color="0.92")
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
