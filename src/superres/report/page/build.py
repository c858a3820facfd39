"""Build a study's page from its files."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from superres.csv_rows import Row
from superres.device.base.outputs import Outputs
from superres.device.base.words import counted
from superres.report import labels
from superres.report.metrics.profiles import ProfileFiles
from superres.report.metrics.schema import read_metrics
from superres.report.page import arms
from superres.report.page.data import Drawing, PageData
from superres.report.page.int8 import SERIES, Int8Files, int8_groups
from superres.report.page.operations import operations
from superres.report.page.paper import paper_points, paper_tables
from superres.report.page.pictures import BUDGET, HR, MOST_ARMS, ClipFiles, clip_pictures, order_samples
from superres.report.page.provenance import example_of, hashes, measured_on, read_provenance
from superres.report.page.recommended import read_recommendation
from superres.report.page.template.render import render
from superres.report.tables.cells import TableText
from superres.report.tables.table import describe_machines

MOST_DRAWN = 1_500_000
"""Bytes of all drawings of networks."""


@dataclass(frozen=True)
class PageFiles:
    """The files that a page shows. Lists may be empty.

    `samples` are the arms' pictures of each clip, by clip and by the arm's folder. `drawings` are SVGs by
    model.
    """

    metrics: Path
    recommendation: Path
    manifests: Sequence[Path]
    clips: Sequence[ClipFiles] = ()
    samples: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    int8: Int8Files = field(default_factory=Int8Files)
    drawings: Mapping[str, Path] = field(default_factory=dict)
    profiles: Sequence[ProfileFiles] = ()


@dataclass(frozen=True)
class PageText:
    """What the study says: its name and description, its clips' descriptions, and the texts of Table 1.

    `runtime` is that of the pictures shown first. `series` are precisions by their number of images.
    """

    study: str
    description: str
    clips: Mapping[str, str]
    table: TableText
    runtime: str
    series: SERIES = ()


def build_page(files: PageFiles, text: PageText, *, command: str, out: Path) -> None:
    """Write the page.

    `command` runs a `TARGET` of this study, in place of that word. Raises UserError for a damaged or older
    file.
    """
    page = render(page_data(files, text, command))
    with Outputs({"page": str(out)}) as outputs:
        outputs["page"].write_text(page, encoding="utf-8")


def by_key(keys: Sequence[tuple[str, str]], files: Sequence[str]) -> dict[str, dict[str, Path]]:
    """Return files by their keys' first parts, then by their second ones."""
    found: dict[str, dict[str, Path]] = {}
    for (first, second), file in zip(keys, files, strict=True):
        found.setdefault(first, {})[second] = Path(file)
    return found


def page_data(files: PageFiles, text: PageText, command: str) -> PageData:
    """Return all that the page shows."""
    metrics: list[Row] = [*read_metrics(files.metrics).to_dicts()]
    ran = {labels.arm_folder(row) for row in metrics if row["status"] == "ok"}
    recommendation = read_recommendation(files.recommendation, ran)
    rows = arms.table_rows(metrics, text.table.calibrated)
    axes, heights = arms.find_axes(rows)
    advice = arms.advice(recommendation, metrics)
    advised = [each.arm for each in advice if each.arm]
    pictures = _pictures(files, text.runtime, advised)
    group, table = operations(files.profiles)
    drawings, left_out = _drawings(files.drawings)
    return PageData(
        study=text.study,
        description=text.description,
        wish=recommendation.summary[0].partition(": ")[2],
        date=measured_on(files.manifests),
        machines=describe_machines(_of_arms_that_ran(files.manifests)),
        clips=text.clips,
        busy=arms.busy_words(metrics),
        advice=advice,
        columns=arms.find_columns(rows),
        rows=rows,
        not_run=arms.not_run(metrics),
        axes=axes,
        heights=heights,
        paper=paper_points(text.table.calibrated),
        paper_tables=paper_tables(metrics, text.table),
        pictures=pictures,
        pictures_note=_pictures_note(pictures, {row["arm"] for row in rows if not row["status"]}),
        int8=int8_groups(metrics, text.series, files.int8),
        operations=group,
        operations_table=table,
        drawings=drawings,
        drawings_note=left_out,
        provenance=read_provenance(files.manifests, command, example_of(metrics, advised)),
        hashes=hashes(metrics),
        signs=arms.signs(metrics),
        coloured=arms.find_colours(rows),
    )


def _of_arms_that_ran(manifests: Sequence[Path]) -> list[Path]:
    """Return the manifests that know their machine; all if none does."""
    return [path for path in manifests if json.loads(path.read_text())["latency"].get("machine")]


def _pictures(files: PageFiles, runtime: str, advised: Sequence[str]) -> list[Any]:
    # Each clip gets its part of the budget.
    budget = BUDGET // max(1, len(files.clips))
    found = [
        clip_pictures(clip, order_samples(files.samples.get(clip.clip, {}), runtime, advised), budget)
        for clip in files.clips
    ]
    return [pictures for pictures in found if pictures is not None]


def _pictures_note(pictures: Sequence[Any], ran: set[Any]) -> str:
    shown = {arm for clip in pictures for place in clip.places for arm in place.shown} - {HR}
    missing = len(ran - shown)
    if not shown or not missing:
        return ""
    return (
        f"Without a picture here: {missing} of {counted(len(ran), 'arm')}. A page shows at most "
        f"{MOST_ARMS}, the recommended and FP32 first. The arms' folders have them all, as sample*.npy."
    )


def _drawings(files: Mapping[str, Path]) -> tuple[list[Drawing], str]:
    """Return the drawings that fit, and a note about the others."""
    drawings, left_out, size = [], [], 0
    for model in labels.order_models(files):
        svg = files[model].read_bytes()
        size += len(svg)
        if size > MOST_DRAWN:
            left_out.append(f"{labels.model_label(model)} ({files[model]})")
        else:
            coded = base64.b64encode(svg).decode("ascii")
            drawings.append(Drawing(title=labels.model_label(model), svg=coded))
    return drawings, f"Too large for this page: {', '.join(left_out)}." if left_out else ""
