"""Plots of a study's arms, from `metrics.csv`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from superres.csv_rows import Row
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import NOISE_MARK, NOISY
from superres.report.metrics.relative import added_mse, describe_added, fp32_of, loss_of
from superres.report.metrics.schema import read_metrics
from superres.report.plots import figures

_LOSSES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "psnr_db": ("PSNR lost against FP32 [dB]", "{:.3f}".format),
    "psnr_y_db": ("PSNR_Y lost against FP32 [dB]", "{:.3f}".format),
    "added_mse": ("Squared error added (root)", describe_added),
}
_MARGINS = 0.17, 0.2  # of psnr_fps: room for labels, as shares of the points' width and height
Place = tuple[str, str, str]
"""Clip, target and scale."""

FPS_NOTE = "FPS: 1000 / median milliseconds from uint8 frame in memory to uint8 frame in memory."


def plot_psnr_fps(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw PSNR [dB] against FPS: a panel per model, clip and target, with bicubic as text."""
    rows, ran = _read(metrics)
    places, models = _places(ran), _networks_by_place(ran)
    precisions = labels.order_precisions((row["precision"] for row in ran), calibrated)
    if not models:
        _draw_nothing("network has run", rows, svg, png)
        return
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
        for column in grid.T:
            # A shared axis has its numbers below the last panel alone, which may be empty.
            last = [axes for axes in column if axes in panels.values()][-1]
            last.tick_params(axis="x", which="both", labelbottom=True)
        for (place, model), axes in panels.items():
            here = [row for row in ran if _place(row) == place]
            _draw_points(axes, [row for row in here if row["model"] == model], precisions)
            _draw_bicubic(axes, [row for row in here if is_baseline(row["model"])])
            axes.set_title(_title(labels.model_label(model), place, places), loc="left", fontweight="bold")
            axes.set_ylabel("PSNR [dB]")
        runtimes = labels.order_runtimes(row["runtime"] for row in ran if not is_baseline(row["model"]))
        figure.legend(
            handles=[_marker(runtime) for runtime in runtimes],
            loc="outside upper left",
            ncols=len(runtimes),
            frameon=False,
        )
        note = "PSNR: mean over frames (Eq. 1). White marks FP32, grey 16 bits, dark INT8."
        figures.add_note(figure, [note, FPS_NOTE, _noise_note(ran), figures.not_run_note(rows)])
        figures.lay_out(figure)
        for (place, model), axes in panels.items():
            mine = [row for row in ran if _place(row) == place and row["model"] == model]
            names = [labels.precision_label(row["precision"]) + _noise_mark(row) for row in mine]
            figures.place_labels(axes, [(row["fps"], row["psnr_db"]) for row in mine], names)
        figures.save(figure, svg, png)


def plot_int8_loss(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw what each INT8 loses [dB] and adds in squared error to FP32 of the same model and runtime."""
    rows, ran = _read(metrics)
    losses = int8_losses(ran)
    if not losses:
        _draw_nothing("INT8 has run beside FP32 in the same runtime", rows, svg, png)
        return
    precisions = labels.order_precisions((row["precision"] for row in losses), calibrated)
    groups = _loss_groups(losses, precisions)
    places = _places(losses)
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
            _draw_losses(axes, [row for row in losses if _place(row) == place], groups, precisions, key)
            title = _LOSSES[key][0] + (f"\n{_where(place, places)}" * (len(places) > 1))
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
        figures.add_note(figure, [note, added, figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def plot_fps(metrics: Path, svg: Path, png: Path, *, calibrated: str = "int8-minmax") -> None:
    """Draw the FPS of every arm as bars, a panel per model; bicubic, far faster, is in the note."""
    rows, ran = _read(metrics)
    precisions = labels.order_precisions((row["precision"] for row in ran), calibrated)
    # Clips of one frame size have one speed.
    ran = [row for row in ran if row["timed_on"] == row["clip"]]
    places = _places(ran)
    panels_of = [(place, model) for place, models in _networks_by_place(ran).items() for model in models]
    if not panels_of:
        _draw_nothing("network has run", rows, svg, png)
        return
    counts = [
        sum(_place(row) == place and row["model"] == model for row in ran) for place, model in panels_of
    ]
    with figures.style():
        figure = figures.new_figure(7.4, 0.27 * sum(counts) + 0.6 * len(counts) + 0.9)
        panels = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=counts)[:, 0]
        for axes, (place, model) in zip(panels, panels_of, strict=True):
            mine = [row for row in ran if _place(row) == place and row["model"] == model]
            _draw_fps(axes, mine, precisions)
            axes.set_title(_title(labels.model_label(model), place, places), loc="left", fontweight="bold")
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


def _draw_points(axes: Axes, rows: Sequence[Row], precisions: Sequence[str]) -> None:
    for row in rows:
        axes.plot(
            row["fps"],
            row["psnr_db"],
            marker=labels.runtime_marker(row["runtime"]),
            markersize=7,
            markerfacecolor=figures.fill(row["precision"], precisions),
            markeredgecolor="black",
            linestyle="none",
            zorder=3,
        )
    axes.set_xscale("log")
    axes.margins(*_MARGINS)
    axes.tick_params(axis="x", which="both", length=3, pad=4)
    axes.set_xlabel("frames per second (logarithmic)")
    axes.grid(color="0.93", which="both")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(
        lambda value, _: f"{value:g}" if f"{value:g}".strip("0.")[:1] in "25" else ""
    )


def _draw_bicubic(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw bicubic as text; as a point it would squeeze the networks into a corner."""
    for row in rows:
        text = f"Bicubic: {row['psnr_db']:.2f} dB at {row['fps']:.0f} FPS"
        axes.set_title(text, loc="right", fontsize=8)


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
    text = _LOSSES[key][1]
    ticks, y = [], 0.0
    for group, shown in groups.items():
        mine = {row["precision"]: row for row in losses if (row["model"], row["runtime"]) == group}
        ticks.append(y + (len(shown) - 1) / 2)
        for precision in shown:
            if precision in mine:
                value = mine[precision][key]
                axes.barh(y, value, height=0.85, **figures.bar_style(precision, precisions))
                place = (max(value, 0), y)
                axes.annotate(text(value), place, (3, 0), textcoords="offset points", va="center", fontsize=8)
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


def _read(metrics: Path) -> tuple[list[Row], list[Row]]:
    rows: list[Row] = [*read_metrics(metrics).to_dicts()]
    return rows, [row for row in rows if row["status"] == "ok"]


def _draw_nothing(what: str, rows: Sequence[Row], svg: Path, png: Path) -> None:
    """Draw a figure that says why it is empty: a study without figures still has its table."""
    with figures.style():
        figure = figures.new_figure(7.4, 1.6)
        figure.text(0.5, 0.75, f"No {what}", ha="center", fontweight="bold")
        figures.add_note(figure, [figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def _place(row: Row) -> Place:
    return row["clip"], row["target"], labels.scale_label(row["scale"])


def _places(rows: Sequence[Row]) -> list[Place]:
    return list(dict.fromkeys(_place(row) for row in rows))


def _networks_by_place(rows: Sequence[Row]) -> dict[Place, list[str]]:
    """Return the networks that ran at each place where any did."""
    found = {
        place: labels.order_models(
            row["model"] for row in rows if _place(row) == place and not is_baseline(row["model"])
        )
        for place in _places(rows)
    }
    return {place: models for place, models in found.items() if models}


def _title(name: str, place: Place, places: Sequence[Place]) -> str:
    return name if len(places) == 1 else f"{name}: {_where(place, places)}"


def _where(place: Place, places: Sequence[Place]) -> str:
    """Return what isn't the same everywhere of a clip, a target and a scale."""
    varies = [len(set(kind)) > 1 for kind in zip(*places, strict=True)]
    clip, target, scale = (part if told else "" for part, told in zip(place, varies, strict=True))
    where = " on ".join(filter(None, [clip, target]))
    return " at ".join(filter(None, [where, scale]))


def _arm_label(row: Row) -> str:
    return f"{labels.runtime_label(row['runtime'])} {labels.precision_label(row['precision'])}"
