"""All that a page shows, in one typed object: its makers fill it, the template and the script read it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Value = str | float | int | bool | None


STYLE = {
    "colorway": [
        *("#2f7ed8", "#e6862d", "#2ca089", "#c23b6e", "#8b6fd6", "#a08a1c", "#4bb3d1", "#8a8f99", "#e048e0"),
        *("#2f7d20", "#6a3bff", "#f28ac0", "#6e6178", "#9a1fb0", "#27b83a", "#9c4f12", "#ec3a22"),
    ],
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "hovermode": "closest",
    "showlegend": True,
    # The tool bar has the top to itself.
    "margin": {"l": 56, "r": 12, "t": 40, "b": 48},
    "hoverlabel": {"align": "left", "font": {"size": 12}},
}
"""Layout of all plots; the colours are far enough from each other, from white and from black."""

CONFIG = {
    "responsive": True,
    "displaylogo": False,
    # Named one by one: Plotly has another button that would send the data to its makers.
    "modeBarButtons": [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    "plotlyServerURL": "",
}
"""Plotly's tool bar."""

_TICKS = [float(f"{step}e{power}") for power in range(-6, 5) for step in (1, 2, 5)]
LOG = {"type": "log", "tickvals": _TICKS, "ticktext": [f"{tick:.10g}" for tick in _TICKS]}
"""A logarithmic axis; Plotly's own ticks leave out the power of ten."""

_MIDDLE = {"showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}
EMPTY = {
    "annotations": [{"text": "No arm has these figures.", **_MIDDLE}],
    "xaxis": {"visible": False},
    "yaxis": {"visible": False},
}
"""Layout of a trade-off without any figure."""

MARKS = {
    "front": {"mode": "lines", "hoverinfo": "skip", "line": {"dash": "dot", "width": 2, "color": "#8a8f99"}},
    "chosen": {
        "hoverinfo": "skip",
        "marker": {"size": 22, "symbol": "circle-open", "line": {"width": 3}, "color": "#e0245e"},
    },
    "paper": {"marker": {"symbol": "x", "size": 9, "color": "#8a8f99"}},
}
"""Marks of the trade-off that aren't arms."""

TABLE = {
    "order": [],
    "pageLength": 25,
    "autoWidth": False,
    "language": {"entries": {"_": "rows", "1": "row"}},
    "lengthMenu": [10, 25, 100, {"label": "all", "value": -1}],
    "layout": {"topStart": "info", "topEnd": "search", "bottomStart": "pageLength", "bottomEnd": "paging"},
}
"""Options of the table of arms: those of DataTables."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Model):
    """A column of the table of arms: a key of its rows, with its title and its decimals.

    `kind`: a `name` can be filtered, a `figure` is a number, an `interval` is shown on demand, a `text`
    explains. Columns that aren't `visible` can be chosen: a name that all rows have, and what fills the page.
    """

    key: str
    title: str
    kind: Literal["name", "figure", "interval", "text"]
    digits: int = 0
    help: str = ""
    visible: bool = True


class Advice(_Model):
    """What to ship on a target: one sentence for the arm, one for what it gains, one for what it loses."""

    target: str
    arm: str | None
    sentences: Sequence[str]


class Axis(_Model):
    """What the trade-off can be drawn over: a key of the rows, its title, and which end is the better one."""

    key: str
    title: str
    better: Literal["more", "less"]


class Point(_Model):
    """A point of the paper: its arm's name as HTML, PSNR [dB] and frames per second."""

    arm: str
    hover: str
    psnr_db: float
    psnr_y_db: float | None
    fps: float


class Picture(_Model):
    """A crop as WebP in base64, without loss; with a `base`, what to add to that picture, modulo 256."""

    webp: str
    base: int | None = None


class Place(_Model):
    """A place in a clip's frame, in pixels, and the picture of each arm there.

    `shown` has the number of a picture by the name of an arm's folder; `HR` is the original.
    """

    x: int
    y: int
    width: int
    height: int
    why: str
    pictures: Sequence[Picture]
    shown: Mapping[str, int]


class ClipPictures(_Model):
    """A clip's frame, small and with loss, and the places of it that are shown pixel by pixel."""

    clip: str
    width: int
    height: int
    overview: str
    places: Sequence[Place]


class Figure(_Model):
    """A plot: Plotly's traces and layout, without colours of text and ground."""

    name: str
    data: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]


class Group(_Model):
    """Plots of one kind, of which one is shown at a time."""

    id: str
    title: str
    text: str
    figures: Sequence[Figure]


class Drawing(_Model):
    """A picture of a network, as SVG in base64."""

    title: str
    svg: str


class Grid(_Model):
    """A plain table."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


class Provenance(_Model):
    """What made the figures: the command of the study for a `TARGET`, and what is the same for all arms.

    `example` is the manifest of one arm, as a target.
    """

    command: str
    example: str
    facts: Mapping[str, str]
    libraries: Mapping[str, str]
    study: str


class NotRun(_Model):
    """A reason why arms didn't run, and their names."""

    reason: str
    arms: Sequence[str]


class PageData(_Model):
    """One page."""

    study: str
    description: str
    wish: str
    date: str
    machines: str
    clips: Mapping[str, str]
    busy: str
    advice: Sequence[Advice]
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Value]]
    not_run: Sequence[NotRun]
    axes: Sequence[Axis]
    heights: Sequence[Axis]
    paper: Sequence[Point]
    paper_tables: Sequence[Grid]
    pictures: Sequence[ClipPictures]
    pictures_note: str
    int8: Sequence[Group]
    operations: Group | None
    operations_table: Grid | None
    drawings: Sequence[Drawing]
    drawings_note: str
    provenance: Provenance
    hashes: Grid
    signs: Mapping[str, str]
    coloured: str
    style: Mapping[str, Any] = STYLE
    config: Mapping[str, Any] = CONFIG
    log: Mapping[str, Any] = LOG
    empty: Mapping[str, Any] = EMPTY
    marks: Mapping[str, Any] = MARKS
    table: Mapping[str, Any] = TABLE
