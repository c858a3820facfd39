"""Plots of parts of networks: layers in INT8 and in float, and times of operations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from superres.csv_rows import Row
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.models.settings import is_baseline
from superres.quantization.layers.frontier import choose_subset
from superres.quantization.layers.schema import (
    ALL,
    NONE,
    PARTS,
    parse_subset,
    read_frontier,
    read_sensitivity,
)
from superres.quantization.settings import Mixed
from superres.report import labels
from superres.report.metrics.profiles import (
    CONVOLUTION,
    GROUPS,
    INTERPOLATION,
    LAYOUT,
    POINTWISE,
    TIMED_APART,
    Network,
    read_networks,
)
from superres.report.metrics.relative import squared_error
from superres.report.plots import figures

_LOST = {"facecolor": "0.35", "edgecolor": "black", "linewidth": 0.7}
_WON = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.7, "hatch": "////"}


def plot_sensitivity(sensitivities: Sequence[Path], svg: Path, png: Path) -> None:
    """Draw the squared error that each part of each layer adds in INT8, and what is won back in float.

    A panel per model and clip; losses in dB stand beside the bars.
    """
    panels_of = [
        (clip, [row for row in rows if row["clip"] == clip])
        for rows in _by_model([read_sensitivity(path).to_dicts() for path in sensitivities])
        for clip in dict.fromkeys(row["clip"] for row in rows)
    ]
    several = len({clip for clip, _ in panels_of}) > 1
    most = max(len(sensitivity_bars(rows, "added_mse")) for _, rows in panels_of)
    columns = len(panels_of) if len(panels_of) <= 3 else 2
    lines = -(-len(panels_of) // columns)
    with figures.style():
        figure = figures.new_figure(1.1 + 3.5 * columns, (0.36 * most + 0.9) * lines + 0.8)
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, (clip, rows) in zip(grid.flat, panels_of, strict=False):
            _draw_sensitivity(axes, rows)
            name = labels.model_label(rows[0]["model"])
            axes.set_title(f"{name}: {clip}" if several else name, loc="left", fontweight="bold")
        for axes in list(grid.flat)[len(panels_of) :]:
            axes.set_axis_off()
        handles = [
            Patch(**_LOST, label="added if only this is in INT8"),
            Patch(**_WON, label="won back if only this is in float"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=min(columns, 2), frameon=False)
        first = panels_of[0][1][0]
        figures.add_note(
            figure,
            [
                f"INT8 {first['recipe']}, executed by {labels.runtime_label(first['runtime'])}. Mean over "
                f"{counted(first['frames'], 'frame')} of "
                f"{' and '.join(dict.fromkeys(clip for clip, _ in panels_of))}, against FP32; in brackets "
                "PSNR lost. " + "The panels differ in scale." * (len(panels_of) > 1)
            ],
        )
        figures.save(figure, svg, png)


def sensitivity_bars(rows: Sequence[Row], key: str) -> list[tuple[str, str, float, float | None]]:
    """Return layer, part, what INT8 costs alone and what float alone wins back; all layers come last.

    The rows are of one model and clip, the cost is `added_mse` or `loss_db`. Won back is the cost of all
    parts minus that of all but this one; None for all layers.
    """
    costs = {(row["layer"], row["part"], row["quantized"]): row[key] for row in rows}
    total = costs[ALL, "both", "alone"]
    layers = [layer for layer in dict.fromkeys(row["layer"] for row in rows) if layer not in (ALL, NONE)]
    bars: list[tuple[str, str, float, float | None]] = [
        (layer, part, costs[layer, part, "alone"], total - costs[layer, part, "all_but"])
        for layer in layers
        for part in PARTS
    ]
    return bars + [(ALL, part, costs[ALL, part, "alone"], None) for part in PARTS]


def _draw_sensitivity(axes: Axes, rows: Sequence[Row]) -> None:
    bars = sensitivity_bars(rows, "added_mse")
    digits = 2 if max(abs(lost) for _, _, lost, _ in bars) > 0.2 else 3
    in_db = [losses for _, _, *losses in sensitivity_bars(rows, "loss_db")]
    places, names, place = [], [], 0.0
    for i, (layer, part, lost, won) in enumerate(bars):
        place += 1.5 if i and layer != bars[i - 1][0] else 1.0
        places.append(place)
        names.append(f"{layer}  {part}" if not i or layer != bars[i - 1][0] else part)
        for value, db, shift, style in zip((lost, won), in_db[i], (-0.2, 0.2), (_LOST, _WON), strict=True):
            if value is None or db is None:
                continue
            y = place + (shift if won is not None else 0)
            axes.barh(y, value, height=0.38, **style)
            axes.annotate(
                # Adding 0 drops the sign of a rounded zero.
                f"{round(value, digits) + 0.0:.{digits}f} ({round(db, 3) + 0.0:.3f} dB)",
                (max(value, 0), y),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(figures.ADDED)
    axes.margins(x=0.4, y=0.02)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x", color="0.92")
    axes.invert_yaxis()


def plot_frontier(frontiers: Sequence[Path], svg: Path, png: Path, *, budget: Mapping[str, float]) -> None:
    """Draw the squared error added over time for each subset of float layers, with the frontier.

    A panel per model; the right axis has the same in dB, which is exact: all are of the same images.
    `budget` is that of the step mixed, by its key: `budget_db` or `budget_mse`.
    """
    settings = Mixed.model_validate(budget)
    panels_of = list(zip(frontiers, (read_frontier(path).to_dicts() for path in frontiers), strict=True))
    order = labels.order_models(rows[0]["model"] for _, rows in panels_of)
    panels_of.sort(key=lambda panel: order.index(panel[1][0]["model"]))
    columns = len(panels_of) if len(panels_of) <= 3 else 2
    lines = -(-len(panels_of) // columns)
    with figures.style():
        figure = figures.new_figure(4.4 * columns, 3.6 * lines + 0.7)
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, (path, rows) in zip(grid.flat, panels_of, strict=False):
            _draw_frontier(axes, rows, _budget_mse(rows, settings), _chosen(rows, settings, path))
        for axes in list(grid.flat)[len(panels_of) :]:
            axes.set_axis_off()
        first = panels_of[0][1][0]
        rounds = min(rows[0]["rounds"] for _, rows in panels_of)
        figures.add_note(
            figure,
            [
                f"INT8 {first['recipe']}, executed by {labels.runtime_label(first['runtime'])}. Labels: "
                f"layers in float. Error: mean squared over {first['images']} calibration photographs, each "
                f"taken as HR, against FP32. Time: median of {rounds} or more rounds of "
                "all subsets in turn, with quartiles. Line: the frontier. Dashes: the budget of "
                f"{_budget_words(settings)}, if in sight. Black: the choice of the step mixed."
            ],
        )
        figures.lay_out(figure)
        for axes, (_, rows) in zip(grid.flat, panels_of, strict=False):
            points = [(row["time_ratio"], row["added_mse"]) for row in rows]
            spans = [(row["time_ratio_q1"], row["time_ratio_q3"]) for row in rows]
            figures.place_labels(axes, points, [_subset_label(row) for row in rows], spans)
            for note in axes.texts:
                # The frontier may run under a label, not through it.
                note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.4})
                note.set_zorder(2.5)
        figures.save(figure, svg, png)


def _budget_words(settings: Mixed) -> str:
    column, most = settings.budget
    return f"{most:g} dB" if column == "loss_db" else f"an added mean squared error of {most:g}"


def _budget_mse(rows: Sequence[Row], settings: Mixed) -> float:
    """Return the squared error that a budget is on the images of a frontier."""
    column, most = settings.budget
    return most if column == "added_mse" else _fp32_error(rows) * (10 ** (most / 10) - 1)


def _fp32_error(rows: Sequence[Row]) -> float:
    return squared_error(rows[0]["psnr_of_mean_db"] + rows[0]["loss_db"])


def _chosen(rows: Sequence[Row], settings: Mixed, path: Path) -> Mapping[str, Any] | None:
    """Return the choice of the step mixed; None if it fails, which the figure explains."""
    try:
        return choose_subset(rows, settings, path)
    except UserError:
        return None


def _draw_frontier(
    axes: Axes, rows: Sequence[Row], budget_mse: float, chosen: Mapping[str, Any] | None
) -> None:
    line = sorted((row["time_ratio"], row["added_mse"]) for row in rows if row["on_frontier"])
    axes.plot(*zip(*line, strict=True), color="0.45", linewidth=1.0)
    for row in rows:
        below, above = (abs(row["time_ratio"] - row[f"time_ratio_{end}"]) for end in ("q1", "q3"))
        axes.errorbar(
            row["time_ratio"],
            row["added_mse"],
            xerr=[[below], [above]],
            marker="o",
            markersize=6,
            markerfacecolor="black" if row is chosen else ("0.7" if row["on_frontier"] else "white"),
            markeredgecolor="black",
            ecolor="0.6",
            elinewidth=0.8,
            linestyle="none",
            zorder=3,
        )
    if budget_mse < 1.3 * max(row["added_mse"] for row in rows):
        axes.axhline(budget_mse, color="black", linewidth=0.8, dashes=(4, 3), zorder=1)
    int8 = next(row for row in rows if row["float_layers"] == NONE)
    axes.set_title(labels.model_label(int8["model"]), loc="left", fontweight="bold")
    axes.set_title(f"1.0 = {int8['latency_p50_ms']:.0f} ms", loc="right", fontsize=8)
    axes.set_xlabel("time per frame / that of all INT8")
    axes.set_ylabel(figures.ADDED)
    axes.grid(color="0.93")
    axes.margins(0.2, 0.15)
    figures.add_loss_axis(axes, _fp32_error(rows))


def _subset_label(row: Row) -> str:
    subset = parse_subset(row["float_layers"])
    return "all float" if len(subset) == row["layers"] else "+".join(subset) or "all INT8"


def _by_model(tables: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    """Sort tables of one model each by the order of models."""
    order = labels.order_models(rows[0]["model"] for rows in tables)
    return sorted(tables, key=lambda rows: order.index(rows[0]["model"]))


_STYLES: dict[str, dict[str, Any]] = {
    CONVOLUTION: {"facecolor": "0.75"},
    INTERPOLATION: {"facecolor": "white", "hatch": "////"},
    LAYOUT: {"facecolor": "0.45"},
    POINTWISE: {"facecolor": "white"},
}


def plot_operations(profile: Path, svg: Path, png: Path) -> None:
    """Draw the operations' times as stacked bars: a panel per runtime and precision, a bar per network."""
    networks = [n for n in read_networks(profile) if not is_baseline(n.model)]
    if not networks:
        raise UserError(f"{profile}: expected operations of networks, found none; see the arms' status")
    panels_of = list(dict.fromkeys((n.place, n.runtime, n.precision) for n in networks))
    several = len({place for place, _, _ in panels_of}) > 1
    counts = [sum((n.place, n.runtime, n.precision) == panel for n in networks) for panel in panels_of]
    with figures.style():
        figure = figures.new_figure(8.2, 0.3 * sum(counts) + 0.62 * len(counts) + 1.2)
        panels = figure.subplots(len(counts), 1, squeeze=False, height_ratios=counts)[:, 0]
        for axes, panel in zip(panels, panels_of, strict=True):
            _draw(axes, [n for n in networks if (n.place, n.runtime, n.precision) == panel])
            title = f"{labels.runtime_label(panel[1])} {labels.precision_label(panel[2])}"
            clip, target, scale = panel[0]
            where = f", {clip} on {target} at {labels.scale_label(scale)}"
            axes.set_title(title + where * several, loc="left", fontweight="bold")
        panels[-1].set_xlabel("milliseconds, operations timed one by one")
        handles = [Patch(edgecolor="black", linewidth=0.7, label=group, **_STYLES[group]) for group in GROUPS]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(GROUPS), frameon=False)
        figures.add_note(figure, [TIMED_APART])
        figures.save(figure, svg, png)


def _draw(axes: Axes, networks: Sequence[Network]) -> None:
    for y, network in enumerate(networks):
        left = 0.0
        for group in GROUPS:
            width = network.ms[group]
            axes.barh(y, width, left=left, height=0.75, edgecolor="black", linewidth=0.7, **_STYLES[group])
            left += width
        text = f"{counted(network.operations, 'operation')}, {network.total_ms:.1f} ms"
        axes.annotate(text, (left, y), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(networks)), [labels.model_label(network.model) for network in networks])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.28, y=0.04)
    axes.grid(axis="x", color="0.92")
