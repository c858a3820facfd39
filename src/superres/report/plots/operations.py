"""The figure of every network's operations: the paper's Figures 3 to 6 as bars that can be compared."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from superres.device.base.errors import UserError
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
from superres.report.plots import figures

_STYLES: dict[str, dict[str, Any]] = {
    CONVOLUTION: {"facecolor": "0.75"},
    INTERPOLATION: {"facecolor": "white", "hatch": "////"},
    LAYOUT: {"facecolor": "0.45"},
    POINTWISE: {"facecolor": "white"},
}


def plot_operations(profile: Path, svg: Path, png: Path) -> None:
    """Stacked bars of the operations' times, a panel a runtime and precision, a bar a network."""
    networks = [n for n in read_networks(profile) if n.model != "bicubic"]
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
            axes.set_title(title + f", {' on '.join(panel[0])}" * several, loc="left", fontweight="bold")
        panels[-1].set_xlabel("milliseconds, operations timed apart")
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
        text = f"{network.operations} operations, {network.total_ms:.1f} ms"
        axes.annotate(text, (left, y), (3, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set_yticks(range(len(networks)), [labels.model_label(network.model) for network in networks])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.margins(x=0.28, y=0.04)
    axes.grid(axis="x", color="0.92")
