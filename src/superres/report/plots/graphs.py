"""Networks as their ONNX graphs, operator by operator. Sizes and places are in inches."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from superres.device.base.words import counted
from superres.models.graphs.operator_words import END, GROUPS
from superres.models.graphs.outline import Outline, outline_graph
from superres.models.graphs.repeats import fold_repeats
from superres.report import labels
from superres.report.plots import figures
from superres.report.plots.graph_panel import COLOURS, MARK, SMALL, TITLE, Panel, text_width

# Beyond `_FOLDED` boxes repeated blocks are folded; beyond `_MOST` nobody reads a picture.
_FOLDED, _MOST = 48, 150
_BETWEEN = 0.5


def plot_graphs(graphs: Sequence[Path], svg: Path, png: Path, *, drawn: Sequence[tuple[str, str]]) -> None:
    """Draw ONNX graphs side by side, each under its model and precision of `drawn`.

    Repeated blocks of a large graph are drawn once, with their number; one that is too large all the same is
    named as such. Raises UserError for a file that is no ONNX graph.
    """
    found = dict(zip(drawn, graphs, strict=True))
    order = labels.order_models(model for model, _ in found)
    panels = [
        _panel(outline_graph(path), f"{labels.model_label(model)}, {labels.precision_label(precision)}")
        for (model, precision), path in sorted(found.items(), key=lambda item: order.index(item[0][0]))
    ]
    groups = [group for group in GROUPS if any(group in panel.groups for panel in panels)]
    marked = any(panel.marked for panel in panels)
    width = max(sum(panel.width for panel in panels) + _BETWEEN * len(panels), 3.2)
    legend = 0.3 * (1 + (len(groups) + marked - 1) // max(1, int(width / 1.35)))
    height = max(panel.height for panel in panels) + 0.5 + legend
    with figures.style():
        figure = figures.new_figure(width, height)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(-height, 0)
        left = (width - sum(panel.width for panel in panels) - _BETWEEN * (len(panels) - 1)) / 2
        for panel in panels:
            axes.text(left + panel.width / 2, -0.22, panel.title, ha="center", va="center", weight="bold")
            panel.draw(axes, left, -0.45)
            left += panel.width + _BETWEEN
        _draw_legend(axes, groups, marked=marked, width=width, top=-height + legend)
        figures.save(figure, svg, png)


def _draw_legend(axes: Axes, groups: Sequence[str], *, marked: bool, width: float, top: float) -> None:
    """Draw a line of coloured boxes with the names of their groups, in as many rows as it takes."""
    entries = [(group, COLOURS[group]) for group in groups]
    if marked:
        entries.append(("Q/DQ pair: type, scale", MARK))
    a_row = max(1, int(width / 1.35))
    for row in range(0, len(entries), a_row):
        shown = entries[row : row + a_row]
        x = (width - sum(text_width(name, SMALL) + 0.38 for name, _ in shown)) / 2
        y = top - 0.1 - 0.22 * (row // a_row)
        for name, colour in shown:
            axes.plot(x + 0.08, y, "D" if colour == MARK else "s", color=colour, markersize=6, mew=0)
            axes.text(x + 0.18, y, name, va="center_baseline", fontsize=SMALL)
            x += text_width(name, SMALL) + 0.38


def _panel(outline: Outline, title: str) -> "Panel | _TooLarge":
    folded = fold_repeats(outline, _FOLDED)
    if len(folded.boxes) > _MOST:
        return _TooLarge(title, outline, len(folded.boxes))
    return Panel(title, folded)


@dataclass
class _TooLarge:
    """A graph that isn't drawn: its numbers of operators instead."""

    title: str
    outline: Outline
    folded: int

    groups = frozenset[str]()
    marked = False
    width = 3.0
    height = 2.2

    def draw(self, axes: Axes, left: float, top: float) -> None:
        """Write what it has."""
        count = Counter(box.title for box in self.outline.boxes if box.group != END)
        most = sorted(count.items(), key=lambda item: (-item[1], item[0]))[:8]
        lines = [
            f"Too large to draw: {counted(count.total(), 'operator')},",
            f"{self.folded} with repeated blocks folded (limit {_MOST}).",
            *(f"{number} × {name}" for name, number in most),
        ]
        axes.text(left, top - 0.1, "\n".join(lines), va="top", fontsize=TITLE)
