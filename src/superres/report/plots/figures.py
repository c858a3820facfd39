"""Style, files and labels of all plots: readable in grey, with the same bytes at every run."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from superres.csv_rows import Row
from superres.device.base.outputs import Outputs
from superres.report import labels

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "superres",
    "svg.fonttype": "path",
    # Publishers take embedded TrueType fonts, and refuse Type 3.
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.7,
}
_PDF: ContextVar[Path | None] = ContextVar("pdf", default=None)
_DISTANCES = (7, 10, 14, 19, 25, 32, 40, 50, 62)
_DIRECTIONS = (
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
    (0.7, 0.7, "left", "bottom"),
    (0.7, -0.7, "left", "top"),
    (-0.7, 0.7, "right", "bottom"),
    (-0.7, -0.7, "right", "top"),
)
_FILLS = {"fp32": "white", "fp16": "0.85", "bf16": "0.7", "uint8": "white"}
_INT8_FILLS = ("0.45", "0.1", "0.3", "0.2")
_HATCHES = {"fp32": "", "fp16": "..", "bf16": "....", "uint8": ""}
_INT8_HATCHES = ("////", "", "xxxx", "\\\\\\\\", "||||", "++++")


@contextmanager
def style() -> Iterator[None]:
    """Context to draw and save a figure in: `STYLE` on matplotlib's defaults, without a user's settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def also_as(pdf: Path | None) -> Iterator[None]:
    """Context in which `save` writes a figure as PDF too, for papers."""
    token = _PDF.set(pdf)
    try:
        yield
    finally:
        _PDF.reset(token)


def lay_out(figure: Figure) -> None:
    """Give each part of a figure its place, for good: laying out takes longer than drawing."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def save(figure: Figure, svg: Path, png: Path) -> None:
    """Write the files together, with a PDF inside `also_as`; equal figures give equal bytes."""
    lay_out(figure)
    pdf = _PDF.get()
    with Outputs({"svg": str(svg), "png": str(png), **({"pdf": str(pdf)} if pdf else {})}) as outputs:
        figure.savefig(outputs["svg"], format="svg", metadata={"Date": None})
        figure.savefig(outputs["png"], format="png", dpi=160, metadata={"Software": None})
        if pdf:
            figure.savefig(outputs["pdf"], format="pdf", dpi=300, metadata={"CreationDate": None})


def fill(precision: str, precisions: Sequence[str]) -> str:
    """Return the grey of a precision, darker for fewer bits; `precisions` are all in the figure."""
    if precision in _FILLS:
        return _FILLS[precision]
    return _INT8_FILLS[_int8_index(precision, precisions) % len(_INT8_FILLS)]


def hatch(precision: str, precisions: Sequence[str]) -> str:
    """Return the hatch of a precision, which tells similar greys apart."""
    if precision in _HATCHES:
        return _HATCHES[precision]
    return _INT8_HATCHES[_int8_index(precision, precisions) % len(_INT8_HATCHES)]


def bar_style(precision: str, precisions: Sequence[str]) -> dict[str, Any]:
    """Return the style of a precision's bars."""
    plain_int8 = precision.startswith("int8-") and not hatch(precision, precisions)
    return {
        "facecolor": "0.35" if plain_int8 else ("0.85" if precision == "fp32" else "white"),
        "edgecolor": "black",
        "linewidth": 0.7,
        "hatch": hatch(precision, precisions),
    }


def not_run_note(rows: Sequence[Row]) -> str:
    """Return lines that name the arms without figures; empty if there are none."""
    arms: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] != "ok":
            name = f"{labels.runtime_label(row['runtime'])} {labels.precision_label(row['precision'])}"
            arms.setdefault(row["status"], []).append(f"{name} {labels.model_label(row['model'])}")
    return "\n".join(
        f"{status[0].upper()}{status[1:]}: {', '.join(dict.fromkeys(names))}."
        for status, names in arms.items()
    )


def add_note(figure: Figure, lines: Sequence[str]) -> None:
    """Write small print below a figure, wrapped to its width."""
    width = int(figure.get_figwidth() * 15.5)
    text = "\n".join(part for line in lines for part in textwrap.wrap(line, width))
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color="0.25")


ADDED = "squared error added [levels²]"
"""The label of an axis with `added_mse`."""


def add_loss_axis(axes: Axes, fp32_error: float) -> None:
    """Give a plot of added squared errors a right axis with the PSNR lost [dB] over FP32's error."""
    right = axes.secondary_yaxis(
        "right",
        functions=(
            lambda added: 10 * np.log10(np.maximum(1 + np.asarray(added) / fp32_error, 1e-9)),
            lambda db: fp32_error * (10 ** (np.asarray(db) / 10) - 1),
        ),
    )
    right.set_ylabel("PSNR lost [dB]")


def place_labels(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    spans: Sequence[tuple[float, float]] = (),
) -> None:
    """Label points without covering a point, another label or the axes' edge.

    `spans` are the ends of horizontal lines through the points, which labels don't cover either. Each label
    takes the nearest free place that is closer to its own point than to any other, joined by a thin line.
    The axes' limits must be final and the figure laid out.
    """
    figure = axes.figure
    half = 5 * figure.dpi / 72
    pixels = [(float(x), float(y)) for x, y in axes.transData.transform(points)]
    taken = [Bbox.from_bounds(x - half, y - half, 2 * half, 2 * half) for x, y in pixels]
    for (_, y), span in zip(points, spans, strict=False):
        (left, height), (right, _) = axes.transData.transform([(x, y) for x in span])
        taken.append(Bbox.from_extents(left, height - 1, right, height + 1))
    inside = axes.get_window_extent()
    for index in sorted(range(len(points)), key=lambda index: pixels[index]):
        note = axes.annotate(
            texts[index],
            points[index],
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": "0.5", "shrinkA": 0, "shrinkB": 4},
        )
        others = [pixel for other, pixel in enumerate(pixels) if other != index]
        taken.append(_place(note, pixels[index], others, taken, inside))


def _place(
    note: Annotation,
    own: tuple[float, float],
    others: Sequence[tuple[float, float]],
    taken: Sequence[Bbox],
    inside: Bbox,
) -> Bbox:
    """Move a label to its cheapest place; return the pixels that it covers there."""

    def cost(box: Bbox) -> float:
        nearest = min((_distance(box, point) for point in others), default=float("inf"))
        stray = 20 * max(0.0, _distance(box, own) - nearest + 3)
        # A label cut off at the edge can't be read; one that touches another can.
        return sum(_overlap(box, other) for other in taken) + 100 * _outside(box, inside) + stray

    places = [
        (dx * distance, dy * distance, ha, va) for distance in _DISTANCES for dx, dy, ha, va in _DIRECTIONS
    ]
    costs = [cost(_extent(note, place)) for place in places]
    return _extent(note, places[costs.index(min(costs))])


def _extent(note: Annotation, place: tuple[float, float, str, str]) -> Bbox:
    renderer: Any = note.figure.canvas.get_renderer()  # pyright: ignore[reportAttributeAccessIssue]
    note.set_position(place[:2])
    note.set_horizontalalignment(place[2])  # pyright: ignore[reportArgumentType]
    note.set_verticalalignment(place[3])  # pyright: ignore[reportArgumentType]
    note.update_positions(renderer)
    # The text alone: the line to its point may cross anything.
    return super(Annotation, note).get_window_extent(renderer).padded(1)


def _distance(box: Bbox, point: tuple[float, float]) -> float:
    x, y = point
    return math.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1))


def _overlap(box: Bbox, other: Bbox) -> float:
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return width * height if width > 0 and height > 0 else 0.0


def _outside(box: Bbox, inside: Bbox) -> float:
    return (
        max(0.0, inside.x0 - box.x0)
        + max(0.0, box.x1 - inside.x1)
        + max(0.0, inside.y0 - box.y0)
        + max(0.0, box.y1 - inside.y1)
    )


def _int8_index(precision: str, precisions: Sequence[str]) -> int:
    int8 = [name for name in precisions if name.startswith("int8-")]
    return int8.index(precision) if precision in int8 else 0
