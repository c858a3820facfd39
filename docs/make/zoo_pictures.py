"""Pictures of the networks to choose from: their front, and what INT8 loses of each."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import matplotlib as mpl
from matplotlib.axes import Axes
from zoo import CLIPS, RUNTIME, SHOWN, TUNED, held_out_losses, published_rows, ran, shape_of

from superres.report import labels
from superres.report.plots import figures
from superres.report.plots.arms import front_of

Point = tuple[float, float]
"""Frames per second and PSNR [dB]."""


def draw_losses(png: Path) -> None:
    """Draw the mean loss of each network, a row a network from few layers to many, a mark a precision."""
    found = held_out_losses()
    models = sorted(found, key=shape_of, reverse=True)
    with figures.style():
        figure = figures.new_figure(7, 4)
        axes = figure.subplots()
        for (precision, title), mark in zip(SHOWN.items(), "xo^s", strict=True):
            lost = [mean(found[model][1][precision]) for model in models]
            axes.plot(lost, range(len(models)), mark, label=title, markersize=5)
        axes.set_yticks(range(len(models)), labels=[_described(model) for model in models])
        axes.set_xscale("log")
        ticks = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
        axes.set_xticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("Y-PSNR lost in INT8, mean of 22 photographs [dB]")
        axes.grid(color="0.92")
        figure.legend(loc="outside upper right", ncols=len(SHOWN), frameon=False)
        figures.lay_out(figure)
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def _described(model: str) -> str:
    layers, channels = shape_of(model)
    return f"{labels.model_label(model)}: {layers} layers, {channels} channels"


def draw_front(png: Path) -> None:
    """Draw PSNR against FPS of each network, a line from FP32 to INT8, and the front of INT8.

    Beside it, on axes of its own, stands what was published of such networks on another machine.
    """
    arms = {
        (model, precision): (float(row["fps"]), float(row["psnr_db"]))
        for (model, precision, clip), row in ran().items()
        if clip == CLIPS[0]
    }
    models = labels.order_models({model for model, _ in arms})
    tuned = {model: arms[model, TUNED] for model in models}
    with figures.style():
        figure = figures.new_figure(11, 5)
        axes, other = figure.subplots(1, 2, width_ratios=(2, 1))
        _draw_networks(axes, [(arms[model, "fp32"], tuned[model]) for model in models])
        axes.set_xscale("log")
        axes.set_xticks([5, 10, 20, 30, 50, 100], labels=["5", "10", "20", "30", "50", "100"])
        axes.set_xticks([], minor=True)
        axes.set_xlim(5.5, 170)
        axes.grid(color="0.92")
        axes.set_xlabel(f"frames per second, 540 x 960 to 1080 x 1920, {labels.runtime_label(RUNTIME)}")
        axes.set_ylabel(f"PSNR on {CLIPS[0]} [dB]")
        axes.legend(loc="lower left", frameon=False)
        points = [(1000 / float(row["int8_ms"]), float(row["b100_db"])) for row in published_rows()]
        _draw_published(other, points)
        figures.lay_out(figure)
        spans = [(arms[model, "fp32"][0], tuned[model][0]) for model in models]
        names = [labels.model_label(model) for model in models]
        figures.place_labels(axes, list(tuned.values()), names, spans)
        figures.place_labels(other, points, [row["network"] for row in published_rows()])
        figure.savefig(png, format="png", dpi=140, metadata={"Software": None})


def _draw_networks(axes: Axes, networks: Sequence[tuple[Point, Point]]) -> None:
    """Draw the front of INT8, and a line from FP32 to INT8 for each network."""
    front = front_of(int8 for _, int8 in networks)
    axes.plot(*zip(*front, strict=True), color="0.8", linewidth=6, zorder=0, label="front of INT8")
    for index, (fp32, int8) in enumerate(networks):
        # The strong colours first: 20 in all.
        colour = mpl.colormaps["tab20"](2 * index % 20 + index // 10)
        axes.plot(*zip(fp32, int8, strict=True), linewidth=1, color=colour)
        axes.plot(*fp32, "o", color=colour, fillstyle="none")
        axes.plot(*int8, "s", color=colour)
    axes.plot([], [], "o", color="0.4", fillstyle="none", label="FP32")
    axes.plot([], [], "s", color="0.4", label="INT8, tuned")


def _draw_published(axes: Axes, points: Sequence[Point]) -> None:
    axes.plot(*zip(*points, strict=True), "s", color="0.5")
    axes.set_title("published, another machine:\nDimensity 8100 NPU, INT8, 360 x 640", loc="left", fontsize=9)
    axes.set_xlabel("frames per second")
    axes.set_ylabel("Y-PSNR on B100, FP32 [dB]")
    axes.margins(0.25, 0.12)
    axes.grid(color="0.92")
