"""Rows of `metrics.csv` for plots, and where they were measured: a panel each."""

from collections.abc import Sequence
from pathlib import Path

from superres.csv_rows import Row
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.schema import read_metrics
from superres.report.plots import figures

Place = tuple[str, str, str]
"""Clip, target and scale."""


def read_rows(metrics: Path) -> tuple[list[Row], list[Row]]:
    """Return all rows of a file of metrics, and those of arms that ran."""
    rows: list[Row] = [*read_metrics(metrics).to_dicts()]
    return rows, [row for row in rows if row["status"] == "ok"]


def draw_nothing(what: str, rows: Sequence[Row], svg: Path, png: Path) -> None:
    """Draw a figure that says why it is empty: a study without figures still has its table."""
    with figures.style():
        figure = figures.new_figure(7.4, 1.6)
        figure.text(0.5, 0.75, f"No {what}", ha="center", fontweight="bold")
        figures.add_note(figure, [figures.not_run_note(rows)])
        figures.save(figure, svg, png)


def place_of(row: Row) -> Place:
    """Return where a row was measured."""
    return row["clip"], row["target"], labels.scale_label(row["scale"])


def places_of(rows: Sequence[Row]) -> list[Place]:
    """Return where rows were measured, in their order."""
    return list(dict.fromkeys(place_of(row) for row in rows))


def networks_by_place(rows: Sequence[Row]) -> dict[Place, list[str]]:
    """Return the networks that ran at each place where any did."""
    found = {
        place: labels.order_models(
            row["model"] for row in rows if place_of(row) == place and not is_baseline(row["model"])
        )
        for place in places_of(rows)
    }
    return {place: models for place, models in found.items() if models}


def panel_title(name: str, place: Place, places: Sequence[Place]) -> str:
    """Return a panel's title: a name, and its place if there are several."""
    return name if len(places) == 1 else f"{name}: {where_words(place, places)}"


def where_words(place: Place, places: Sequence[Place]) -> str:
    """Return what isn't the same everywhere of a clip, a target and a scale."""
    varies = [len(set(kind)) > 1 for kind in zip(*places, strict=True)]
    clip, target, scale = (part if told else "" for part, told in zip(place, varies, strict=True))
    where = " on ".join(filter(None, [clip, target]))
    return " at ".join(filter(None, [where, scale]))
