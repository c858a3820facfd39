"""A network's graph in a picture: boxes in rows, arrows with shapes, marks and repeated blocks.

Sizes and places are in inches.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from matplotlib.textpath import TextPath

from superres.models.graphs.operator_words import (
    ACTIVATION,
    ARITHMETIC,
    COLOUR,
    CONVOLUTION,
    END,
    MOVING,
    QUANTIZATION,
    RESIZING,
)
from superres.models.graphs.outline import Arrow, Box, Outline
from superres.report.plots.layered import Bend, Layout, Node, arrange

COLOURS = {
    CONVOLUTION: "#9ec9f0",
    ACTIVATION: "#f7b89c",
    COLOUR: "#f6e08a",
    ARITHMETIC: "#cfe8b4",
    RESIZING: "#d9bfe6",
    MOVING: "#d9d9d9",
    QUANTIZATION: "#f2a9c4",
    END: "white",
}
TITLE, SMALL = 8.0, 6.5
_LINE, _PAD = 0.125, 0.07
_GAP, _BETWEEN = 0.18, 0.42
_WORDS, _HEAD, _MARK_ROOM = 0.16, 0.08, 0.15
MARK = "#b3005e"


class Panel:
    """A graph with the places of its boxes."""

    def __init__(self, title: str, outline: Outline):
        self.title, self.outline = title, outline
        self.groups = {box.group for box in outline.boxes} - {END}
        self.marked = any(arrow.marks for arrow in outline.arrows)
        self.leaving: dict[int, list[str]] = defaultdict(list)
        for arrow in outline.arrows:
            if arrow.tensor not in self.leaving[arrow.source]:
                self.leaving[arrow.source].append(arrow.tensor)
        self.text_of = {arrow.tensor: arrow.text for arrow in outline.arrows}
        self.marks: dict[int, list[str]] = defaultdict(list)
        for arrow in outline.arrows:
            self.marks[arrow.target] += arrow.marks
        edges = [(arrow.source, arrow.target, arrow.tensor) for arrow in outline.arrows]
        self.layout: Layout = arrange(edges, self._room, _GAP)
        self.tops = self._row_tops()
        self.left = min(self.layout.x[node] - self._room(node) / 2 for node in self.layout.x)
        right = max(self.layout.x[node] + self._room(node) / 2 for node in self.layout.x)
        self.width = max(right - self.left, text_width(title, 9) + 0.2)
        self.left -= (self.width - right + self.left) / 2
        self.height = -self.tops[-1]

    def _row_tops(self) -> list[float]:
        """Return the top of each row, below the one before, and the end of the last."""
        rows = max(self.layout.row.values()) + 1
        heights, marks = [0.0] * rows, [0] * rows
        for node, row in self.layout.row.items():
            if not isinstance(node, Bend):
                heights[row] = max(heights[row], _height(self.outline.boxes[node]))
        for arrow in self.outline.arrows:
            row = self.layout.row[arrow.target]
            marks[row] = max(marks[row], len(arrow.marks))
        for members in self.outline.repeats:
            # Room for its name.
            marks[min(self.layout.row[box] for box in members)] += 1
        tops = [0.0]
        for row in range(rows):
            below = _BETWEEN + _MARK_ROOM * marks[row + 1] if row + 1 < rows else 0
            tops.append(tops[-1] - heights[row] - below)
        return tops

    def _room(self, node: Node) -> float:
        """Return the width that a box needs with the words below it, or a line."""
        if isinstance(node, Bend):
            return 0.06
        texts = [text_width(self.text_of[tensor], SMALL) + 0.1 for tensor in self.leaving[node]]
        # A single line leaves in the middle, with its words on the right.
        below = 2 * texts[0] if len(texts) == 1 else len(texts) * max(texts, default=0)
        above = [text_width(mark, SMALL) + 0.12 for mark in self.marks[node]]
        return max(_width(self.outline.boxes[node]), below, 2 * max(above, default=0))

    def _box_width(self, node: int) -> float:
        several = len(self.leaving[node]) > 1
        return self._room(node) if several else _width(self.outline.boxes[node])

    def draw(self, axes: Axes, left: float, top: float) -> None:
        """Draw it with its top left corner there."""
        self.origin = (left - self.left, top)
        for members, times in self.outline.repeats.items():
            self._draw_frame(axes, members, times)
        self._draw_arrows(axes)
        for number, box in enumerate(self.outline.boxes):
            self._draw_box(axes, number, box)

    def _place(self, node: Node) -> tuple[float, float, float]:
        """Return x, top and bottom of a box or bend in the picture."""
        row = self.layout.row[node]
        top = self.origin[1] + self.tops[row]
        if isinstance(node, Bend):
            return self.origin[0] + self.layout.x[node], top, top - 0.2
        return self.origin[0] + self.layout.x[node], top, top - _height(self.outline.boxes[node])

    def _draw_box(self, axes: Axes, number: int, box: Box) -> None:
        x, top, bottom = self._place(number)
        width = self._box_width(number)
        style = "round,pad=0,rounding_size=0.1" if box.group == END else "round,pad=0,rounding_size=0.03"
        axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, bottom),
                width,
                top - bottom,
                boxstyle=style,
                facecolor=COLOURS[box.group],
                edgecolor="0.25",
                linewidth=0.7,
                zorder=3,
            )
        )
        for at, line in enumerate((box.title, *box.details)):
            y = top - _PAD - _LINE * (at + 0.5)
            size = SMALL if at else TITLE
            axes.text(x, y, line, ha="center", va="center_baseline", fontsize=size, zorder=4)

    def _draw_frame(self, axes: Axes, members: frozenset[int], times: int) -> None:
        """Draw a frame around a repeated block, wider around one with another inside."""
        inside = sum(others < members for others in self.outline.repeats)
        margin, head = 0.06 + 0.06 * inside, 0.15 * (1 + inside)
        places = [(*self._place(node), self._room(node) / 2) for node in sorted(members)]
        x0 = min(x - half for x, _, _, half in places) - margin
        x1 = max(x + half for x, _, _, half in places) + margin
        y0, y1 = min(place[2] for place in places) - 0.03, max(place[1] for place in places) + head
        axes.add_patch(
            FancyBboxPatch(
                (x0, y0),
                x1 - x0,
                y1 - y0,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor="0.955",
                edgecolor="0.5",
                linewidth=0.8,
                linestyle=(0, (4, 2)),
                zorder=1 - 0.01 * inside,
            )
        )
        words = {"facecolor": "0.955", "edgecolor": "none", "boxstyle": "square,pad=0.1"}
        axes.text(x0 + 0.05, y1 - 0.08, f"{times} times", va="center", fontsize=SMALL, zorder=2.5, bbox=words)

    def _draw_arrows(self, axes: Axes) -> None:
        arriving: dict[int, list[Arrow]] = defaultdict(list)
        for arrow in self.outline.arrows:
            arriving[arrow.target].append(arrow)
        drawn: set[tuple[Node, Node, str]] = set()
        leaving = {
            tensor: self._leave(tensor, source) for source, ts in self.leaving.items() for tensor in ts
        }
        for target, arrows in arriving.items():
            arrows.sort(key=lambda arrow: self.layout.x[self._way(arrow)[-2]])
            for at, arrow in enumerate(arrows):
                shift = self._box_width(target) * ((at + 1) / (len(arrows) + 1) - 0.5)
                straight = _HEAD + _MARK_ROOM * len(arrow.marks)
                way = self._way(arrow)
                for start, end in pairwise(way):
                    if (start, end, arrow.tensor) not in drawn:
                        self._draw_line(axes, start, end, leaving[arrow.tensor], (shift, straight))
                        drawn.add((start, end, arrow.tensor))
                x, top, _ = self._place(target)
                self._draw_head(axes, x + shift, top, arrow.marks)
        for tensor, (x, bottom) in leaving.items():
            self._draw_words(axes, x, bottom - 0.09, self.text_of[tensor])

    def _way(self, arrow: Arrow) -> Sequence[Node]:
        return self.layout.ways[arrow.source, arrow.target, arrow.tensor]

    def _leave(self, tensor: str, source: int) -> tuple[float, float]:
        """Return where a tensor leaves its box: tensors side by side, in the order of where they go."""
        goes = {
            name: min(
                self.layout.x[self._way(arrow)[1]] for arrow in self.outline.arrows if arrow.tensor == name
            )
            for name in self.leaving[source]
        }
        order = sorted(goes, key=lambda name: goes[name])
        x, _, bottom = self._place(source)
        if len(order) == 1:
            return x, bottom
        width = self._box_width(source)
        return x - width / 2 + width * (order.index(tensor) + 0.15) / len(order), bottom

    def _draw_line(
        self, axes: Axes, start: Node, end: Node, leaves: tuple[float, float], arrives: tuple[float, float]
    ) -> None:
        """Draw a curve from one row to the next, and past the row if it goes on."""
        x0, _, y0 = self._place(start)
        if not isinstance(start, Bend):
            x0, y0 = leaves
        else:
            y0 = self._past(start)
        x1, y1, _ = self._place(end)
        shift, straight = (0.0, _HEAD) if isinstance(end, Bend) else arrives
        x1 += shift
        # Straight beside the words at its start and the marks at its end.
        upper, lower = y0 - (0 if isinstance(start, Bend) else _WORDS), y1 + straight
        middle = (upper + lower) / 2
        last = self._past(end) if isinstance(end, Bend) else y1
        points = [(x0, y0), (x0, upper), (x0, middle), (x1, middle), (x1, lower), (x1, last)]
        codes = [Curve.MOVETO, Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4, Curve.LINETO]
        axes.add_patch(
            PathPatch(Curve(points, codes), facecolor="none", edgecolor="0.45", linewidth=0.8, zorder=2)
        )

    def _past(self, bend: Bend) -> float:
        """Return where a line is past the boxes of a row."""
        return self.origin[1] + self.tops[bend.row + 1] + _BETWEEN

    @staticmethod
    def _draw_head(axes: Axes, x: float, top: float, marks: Sequence[str]) -> None:
        axes.plot(x, top + 0.035, "v", color="0.3", markersize=4, mew=0, zorder=2.6)
        for at, mark in enumerate(reversed(marks)):
            y = top + 0.13 + _MARK_ROOM * at
            axes.plot(x, y, "D", color=MARK, markersize=4.5, mew=0, zorder=2.7)
            axes.text(x + 0.07, y, mark, va="center_baseline", fontsize=SMALL, color=MARK, zorder=2.7)

    @staticmethod
    def _draw_words(axes: Axes, x: float, y: float, text: str) -> None:
        box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}
        axes.text(x + 0.05, y, text, va="center", fontsize=SMALL, color="0.35", zorder=2.4, bbox=box)


def _height(box: Box) -> float:
    return _LINE * (1 + len(box.details)) + 2 * _PAD


def _width(box: Box) -> float:
    lines = [text_width(box.title, TITLE), *(text_width(line, SMALL) for line in box.details)]
    return max(*lines, 0.45) + 0.16


@cache
def text_width(text: str, size: float) -> float:
    """Return the width of a line of text in inches."""
    if not text.strip():
        # matplotlib makes no path of it.
        return 0.0
    font = FontProperties(family="DejaVu Sans")
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().width) / 72
