"""Speed of a study's arms, alone and against PSNR, from `metrics.csv`."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from superres.csv_rows import Row
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import MEANINGS, NOISE_MARK, NOISY, PICTURE_MARKS, marks
from superres.report.plots import figures
from superres.report.plots.places import (
    draw_nothing,
    networks_by_place,
    panel_title,
    place_of,
    places_of,
    read_rows,
)

_MARGINS = 0.17, 0.2  # of psnr_fps: room for labels, as shares of the points' width and height

FPS_NOTE = "FPS: 1000 / median milliseconds from uint8 frame in memory to uint8 frame in memory."


def plot_psnr_fps(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw PSNR [dB] against FPS: a panel per model, clip and target, with bicubic as text.

    Each panel has the front of all networks of its clip, target and scale, without arms whose pictures are
    doubtful. An arm far below bicubic stands at the lower edge, with its PSNR: it would squeeze the others
    into a line.
    """
    rows, ran = read_rows(metrics)
    places, models = places_of(ran), networks_by_place(ran)
    precisions = labels.order_precisions((row["precision"] for row in ran), calibrated)
    if not models:
        draw_nothing("network has run", rows, svg, png)
        return
    floors = {place: _floor([row for row in ran if place_of(row) == place]) for place in models}
    # More than three panels in a row are too small to read on a page.
    most = max(map(len, models.values()))
    columns = most if most <= 3 else 2
    lines = [
        (place, names[start : start + columns])
        for place, names in models.items()
        for start in range(0, len(names), columns)
    ]
    with figures.style():
        # Lower panels where each clip has its own.
        height = 3.9 if len(models) == 1 else 3.0
        figure = figures.new_figure(5.2 * columns, height * len(lines) + 0.5)
        grid = figure.subplots(len(lines), columns, squeeze=False, sharex=True)
        panels = {
            (place, model): grid[i][j]
            for i, (place, line) in enumerate(lines)
            for j, model in enumerate(line)
        }
        for place, names in models.items():
            first, *others = (panels[place, model] for model in names)
            for axes in others:
                axes.sharey(first)
        for axes in set(grid.flat) - set(panels.values()):
            axes.set_axis_off()
            # They share the others' limits, and with them their margins.
            axes.margins(*_MARGINS)
        below = {panels[place, name] for place, names in models.items() for name in names[-columns:]}
        for (place, model), axes in panels.items():
            here = [row for row in ran if place_of(row) == place]
            if len(models[place]) > 1:
                _draw_front(axes, here)
            _draw_points(axes, [row for row in here if row["model"] == model], precisions, floors[place])
            _draw_bicubic(axes, [row for row in here if is_baseline(row["model"])])
            axes.set_title(
                panel_title(labels.model_label(model), place, places), loc="left", fontweight="bold"
            )
            axes.set_ylabel("PSNR [dB]")
            _name_speed(axes, numbers=axes in below)
        runtimes = labels.order_runtimes(row["runtime"] for row in ran if not is_baseline(row["model"]))
        figure.legend(
            handles=[_marker(runtime) for runtime in runtimes],
            loc="outside upper left",
            ncols=len(runtimes),
            frameon=False,
        )
        note = "PSNR: mean over frames (Eq. 1). White marks FP32, light grey 16 bits, darker INT8."
        front = "Line: the front, arms of any network that no other beats in both." * (most > 1)
        notes = [note, front, FPS_NOTE, _noise_note(ran), _picture_note(ran), figures.not_run_note(rows)]
        figures.add_note(figure, notes)
        figures.lay_out(figure)
        for (place, model), axes in panels.items():
            mine = [row for row in ran if place_of(row) == place and row["model"] == model]
            names = [_point_label(row, floors[place]) for row in mine]
            points = [(row["fps"], max(row["psnr_db"], floors[place])) for row in mine]
            figures.place_labels(axes, points, names)
        figures.save(figure, svg, png)


def plot_fps(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw the FPS of every arm as bars, a panel per model; bicubic, far faster, is in the note."""
    rows, ran = read_rows(metrics)
    precisions = labels.order_precisions((row["precision"] for row in ran), calibrated)
    # Clips of one frame size have one speed.
    ran = [row for row in ran if row["timed_on"] == row["clip"]]
    places = places_of(ran)
    panels_of = [(place, model) for place, models in networks_by_place(ran).items() for model in models]
    if not panels_of:
        draw_nothing("network has run", rows, svg, png)
        return
    counts = [
        sum(place_of(row) == place and row["model"] == model for row in ran) for place, model in panels_of
    ]
    with figures.style():
        figure = figures.new_figure(7.4, 0.27 * sum(counts) + 0.6 * len(counts) + 0.9)
        panels = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=counts)[:, 0]
        for axes, (place, model) in zip(panels, panels_of, strict=True):
            mine = [row for row in ran if place_of(row) == place and row["model"] == model]
            _draw_fps(axes, mine, precisions)
            axes.set_title(
                panel_title(labels.model_label(model), place, places), loc="left", fontweight="bold"
            )
        panels[-1].set_xlabel("frames per second")
        bicubic = [
            f"{labels.model_label(row['model'])} ({_arm_label(row)}) on {row['clip']}: {row['fps']:.0f} FPS, "
            "beyond the scale."
            for row in ran
            if is_baseline(row["model"])
        ]
        limits = (
            "%: share of the machine's limit, the time of its fastest matrix product for as many "
            "multiply-adds."
        )
        notes = [FPS_NOTE, limits * any(row["limit_fraction"] for row in ran), _noise_note(ran), *bicubic]
        figures.add_note(figure, [*notes, figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def _floor(rows: Sequence[Row]) -> float:
    """Return the lowest PSNR that has its own height: as far below bicubic as the best is above it."""
    bicubic = min((row["psnr_db"] for row in rows if is_baseline(row["model"])), default=-math.inf)
    return bicubic - max(row["psnr_db"] - bicubic for row in rows)


def _point_label(row: Row, floor: float) -> str:
    """Return the words beside a point; long recipes, broken behind a step, fit into a panel."""
    name = labels.precision_label(row["precision"]) + marks(row) + _noise_mark(row)
    if row["psnr_db"] < floor:
        name += f" ↓ {row['psnr_db']:.1f} dB"
    return textwrap.fill(name.replace("+", "+ "), 30).replace("+ ", "+")


def _picture_note(rows: Sequence[Row]) -> str:
    """Return the meanings of the marks of doubtful pictures; empty without any."""
    found = {mark for row in rows for mark in marks(row)}
    meanings = [f"{mark} {MEANINGS[kind]}" for kind, mark in PICTURE_MARKS.items() if mark in found]
    return f"Not on the front: {'; '.join(meanings)}." if meanings else ""


def _draw_points(axes: Axes, rows: Sequence[Row], precisions: Sequence[str], floor: float) -> None:
    for row in rows:
        axes.plot(
            row["fps"],
            max(row["psnr_db"], floor),
            marker=labels.runtime_marker(row["runtime"]),
            markersize=7,
            markerfacecolor=figures.fill(row["precision"], precisions),
            markeredgecolor="black",
            linestyle="none",
            zorder=3,
        )
    axes.set_xscale("log")
    axes.margins(*_MARGINS)
    axes.grid(color="0.93", which="both")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(
        lambda value, _: f"{value:g}" if f"{value:g}".strip("0.")[:1] in "25" else ""
    )


def front_of(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points of speed and PSNR that no other beats in both, the fastest first."""
    front: list[tuple[float, float]] = []
    for speed, psnr in sorted(points, reverse=True):
        if not front or psnr > front[-1][1]:
            front.append((speed, psnr))
    return front


def _draw_front(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw the front of the networks' arms whose pictures nothing is said against."""
    sound = [row for row in rows if not is_baseline(row["model"]) and not marks(row)]
    if front := front_of((row["fps"], row["psnr_db"]) for row in sound):
        axes.plot(*zip(*front, strict=True), color="0.85", linewidth=5, solid_capstyle="round", zorder=1)


def _name_speed(axes: Axes, *, numbers: bool) -> None:
    """Name the axis of speed, with numbers below panels that have no other of their clip below them."""
    axes.tick_params(axis="x", which="both", length=3, pad=4, labelbottom=numbers)
    if numbers:
        axes.set_xlabel("frames per second (logarithmic)")


def _draw_bicubic(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw bicubic as text; as a point it would squeeze the networks into a corner."""
    for row in rows:
        text = f"Bicubic: {row['psnr_db']:.2f} dB at {row['fps']:.0f} FPS"
        axes.set_title(text, loc="right", fontsize=8)


def _draw_fps(axes: Axes, rows: Sequence[Row], precisions: Sequence[str]) -> None:
    ordered = [
        row
        for runtime in labels.order_runtimes(row["runtime"] for row in rows)
        for precision in precisions
        for row in rows
        if (row["runtime"], row["precision"]) == (runtime, precision)
    ]
    for y, row in enumerate(ordered):
        axes.barh(y, row["fps"], height=0.78, **figures.bar_style(row["precision"], precisions))
        share = "" if row["limit_fraction"] is None else f", {100 * row['limit_fraction']:.0f}%"
        text = f"{row['fps']:.1f}{_noise_mark(row)}{share}"
        axes.annotate(text, (row["fps"], y), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(ordered)), [_arm_label(row) for row in ordered])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.16, y=0.02)
    axes.grid(axis="x", color="0.92")


def _noise_mark(row: Row) -> str:
    return NOISE_MARK if NOISY in (row["cautions"] or "") else ""


def _noise_note(rows: Sequence[Row]) -> str:
    """Return the meaning of the mark of noisy arms; empty without any."""
    if not any(map(_noise_mark, rows)):
        return ""
    return (
        f"{NOISE_MARK} The machine was busy: FPS is a lower bound, ratios hold. Notes of table1.md say how "
        "busy, and how to time again."
    )


def _marker(runtime: str) -> Line2D:
    style = {
        "marker": labels.runtime_marker(runtime),
        "markersize": 7,
        "markerfacecolor": "white",
        "markeredgecolor": "black",
    }
    return Line2D([], [], linestyle="none", label=labels.runtime_label(runtime), **style)


def _arm_label(row: Row) -> str:
    return f"{labels.runtime_label(row['runtime'])} {labels.precision_label(row['precision'])}"
