"""An evaluation as Markdown: a column per clip, a row per arm, and published figures where comparable."""

import csv
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from superres.csv_rows import Row
from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.outputs import Outputs
from superres.device.base.words import counted
from superres.device.frames.psnr import PsnrProtocol, literature
from superres.report import labels
from superres.report.metrics.cautions import marks
from superres.report.metrics.relative import added_mse, describe_added, loss_of
from superres.report.metrics.schema import read_evaluation
from superres.report.tables.caution_notes import caution_notes, exact_note
from superres.report.tables.cells import (
    ADDED_NOTE,
    NO_RATIO,
    NOT_IN_STUDY,
    Reasons,
    TableText,
    align,
    bicubic_note,
)

LITERATURE_KERNELS = ("bicubic", "bicubic-matlab")


@dataclass(frozen=True)
class Published:
    """A paper's figure for a benchmark set of so many images; `source` is the paper."""

    model: str
    precision: str
    clip: str
    images: int
    psnr_y_db: float
    source: str


def read_published() -> list[Published]:
    """Read published PSNR_Y [dB] of x2 networks on benchmark sets, by the literature's protocol."""
    with Path(__file__).with_name("published.csv").open(encoding="utf-8", newline="") as file:
        return [
            Published(**{**row, "images": int(row["images"]), "psnr_y_db": float(row["psnr_y_db"])})
            for row in csv.DictReader(file)
        ]


def write_evaluation(
    study: str,
    evaluation: Path,
    text: TableText,
    out: Path,
    *,
    swept: Collection[str] = (),
    seeds: Sequence[tuple[str, Sequence[str]]] = (),
) -> None:
    """Write `evaluation.md` from `evaluation.csv`: a table per target and scale, spread over seeds, notes.

    Precisions in `swept` are omitted. `seeds` are series (label, precisions) that differ only in the seed.
    """
    every = read_evaluation(evaluation).to_dicts()
    rows = [row for row in every if row["precision"] not in swept]
    reasons = Reasons()
    comparable, refused = _comparable(rows)
    parts = [f"# PSNR_Y [dB] and SSIM_Y of study `{study}`"]
    several = len({row["scale"] for row in rows}) > 1
    for target, scale in sorted({(row["target"], row["scale"]) for row in rows}):
        mine = [row for row in rows if (row["target"], row["scale"]) == (target, scale)]
        on = f"on `{target}`" + (f" at {labels.scale_label(scale)}" if several else "")
        theirs = comparable if scale == DEFAULT_SCALE else []
        parts.append(f"## O{on[1:]}\n\n{_table(mine, theirs, reasons, text)}")
        parts.append(f"### SSIM_Y {on}\n\n{_further_table(mine, _ssim_cell, reasons, text)}")
        if int8 := [row for row in mine if row["precision"].startswith("int8-")]:
            table = _further_table(int8, lambda row: _added_cell(row, rows), reasons, text)
            parts.append(f"### Squared error added to FP32's {on}\n\n{table}")
    if spread := _spread_table(rows, seeds):
        parts.append(f"## Spread over seeds: PSNR_Y lost against FP32 [dB]\n\n{spread}")
    notes = _notes(rows, comparable, reasons, text) + refused
    if len(rows) < len(every):
        notes.append("INT8 with other numbers of images: see `plots/images.svg` and `evaluation.csv`.")
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    with Outputs({"md": str(out)}) as outputs:
        outputs["md"].write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _comparable(rows: Sequence[Row]) -> tuple[list[Published], list[str]]:
    """Return the published figures comparable to the study's, and a note for each set that is not."""
    published = read_published()
    fitting, refused = [], []
    for clip in dict.fromkeys(row["clip"] for row in rows):
        theirs = [figure for figure in published if figure.clip == clip]
        here = (row for row in rows if (row["clip"], row["scale"]) == (clip, DEFAULT_SCALE))
        mine = next((row for row in here if row["status"] == "ok"), None)
        if not theirs or mine is None:
            continue
        differences = _differences(mine, theirs[0].images)
        if differences:
            refused.append(f"No published figures for `{clip}`: they use {'; '.join(differences)}.")
        else:
            fitting += theirs
    return fitting, refused


def _differences(row: Row, images: int) -> list[str]:
    """Return the differences between the literature's protocol and a row of the study."""
    differences = []
    usual = literature(row["scale"])
    if PsnrProtocol(row["luma"], row["border"]) != usual:
        differences.append(
            f"{usual.luma} luma with a border of {usual.border}, this study {row['luma']} luma "
            f"with a border of {row['border']}"
        )
    if row["downsampling"] not in LITERATURE_KERNELS:
        differences.append(f"LR by bicubic downsampling, this study {row['downsampling']}")
    if row["images"] != images:
        differences.append(f"{counted(images, 'image')}, this study {row['images']}")
    return differences


def _table(rows: Sequence[Row], published: Sequence[Published], reasons: Reasons, text: TableText) -> str:
    by_cell = {(row["model"], row["runtime"], row["precision"], row["clip"]): row for row in rows}
    clips = list(dict.fromkeys(row["clip"] for row in rows))
    lines = [["Model", "Runtime", "Precision", *(_clip_title(clip, rows) for clip in clips)]]
    title = ""
    for model, runtime, precision in _arms(rows, text.calibrated):
        cells = [
            reasons.shorten(_cell(row, rows) if row else NOT_IN_STUDY)
            for row in (by_cell.get((model, runtime, precision, clip)) for clip in clips)
        ]
        new, title = (labels.model_label(model) if model != title else ""), model
        lines.append([new, labels.runtime_label(runtime), labels.precision_label(precision), *cells])
    for model in dict.fromkeys(figure.model for figure in published):
        theirs = {figure.clip: figure for figure in published if figure.model == model}
        blank = _blank(_change_digits(rows))
        values = [f"{theirs[clip].psnr_y_db:.2f}{blank}" if clip in theirs else "-" for clip in clips]
        precision = next(iter(theirs.values())).precision
        lines.append([model, "published", precision.upper(), *values])
    return align(lines, left=3)


def _further_table(rows: Sequence[Row], cell: Callable[[Row], str], reasons: Reasons, text: TableText) -> str:
    """Return a table of another figure than PSNR_Y: `cell` is the text of an arm on a clip."""
    by_cell = {(row["model"], row["runtime"], row["precision"], row["clip"]): row for row in rows}
    clips = list(dict.fromkeys(row["clip"] for row in rows))
    lines = [["Model", "Runtime", "Precision", *clips]]
    title = ""
    for model, runtime, precision in _arms(rows, text.calibrated):
        found = (by_cell.get((model, runtime, precision, clip)) for clip in clips)
        cells = [reasons.shorten(cell(row) if row else NOT_IN_STUDY) for row in found]
        new, title = (labels.model_label(model) if model != title else ""), model
        lines.append([new, labels.runtime_label(runtime), labels.precision_label(precision), *cells])
    return align(lines, left=3)


def _ssim_cell(row: Row) -> str:
    if row["status"] != "ok":
        return row["status"]
    return "n/a" if row["ssim_y"] is None else f"{row['ssim_y']:.4f}"


def _added_cell(row: Row, rows: Sequence[Row]) -> str:
    if row["status"] != "ok":
        return row["status"]
    added = added_mse(row, rows)
    return NO_RATIO if added is None else describe_added(added)


def _cell(row: Row, rows: Sequence[Row]) -> str:
    """Return PSNR_Y with marks, and its change against FP32 of the same model in brackets."""
    if row["status"] != "ok":
        return row["status"]
    loss = loss_of(row, rows, "psnr_y_db")
    digits = _change_digits(rows)
    figure = f"{row['psnr_y_db']:.2f}{marks(row)}"
    if loss is None or row["precision"] == "fp32":
        return f"{figure}{_blank(digits)}"
    return f"{figure} ({0.0 - loss:+.{digits}f})"


def _change_digits(rows: Sequence[Row]) -> int:
    """Return the decimals of a change: good INT8 loses less than 0.01 dB."""
    return 3 if any(row["precision"].startswith("int8-") for row in rows) else 2


def _blank(digits: int) -> str:
    """Return spaces as wide as a change in brackets, to align figures."""
    return " " * len(f" ({0:+.{digits}f})")


def _arms(rows: Sequence[Row], calibrated: str) -> list[tuple[str, str, str]]:
    found = {(row["model"], row["runtime"], row["precision"]) for row in rows}
    return [
        (model, runtime, precision)
        for model in labels.order_models(model for model, _, _ in found)
        for runtime in labels.order_runtimes(r for m, r, _ in found if m == model)
        for precision in labels.order_precisions(
            (p for m, r, p in found if (m, r) == (model, runtime)), calibrated
        )
    ]


def _clip_title(clip: str, rows: Sequence[Row]) -> str:
    images = max((row["images"] or 0 for row in rows if row["clip"] == clip), default=0)
    return f"{clip} ({counted(images, 'image')})"


def _notes(
    rows: Sequence[Row], published: Sequence[Published], reasons: Reasons, text: TableText
) -> list[str]:
    luma = rows[0]["luma"]
    ran = [row for row in rows if row["status"] == "ok"]
    sources: dict[str, list[str]] = {}
    for figure in published:
        models = sources.setdefault(figure.source, [])
        if figure.model not in models:
            models.append(figure.model)
    said = [f"{', '.join(models)}: {source}" for source, models in sources.items()]
    return [
        *(f"({letter}) {reason}." for reason, letter in reasons.letters.items()),
        f"PSNR_Y is measured on {labels.LUMAS[luma]}, unrounded, peak 255{labels.border_label(rows)}. It "
        "is the mean over a clip's images of each image's value, from the engine's 8-bit output. PSNR over "
        "R, G, B is in `evaluation.csv`.",
        "In brackets: the change against FP32 of the same model, in the same runtime if it has FP32.",
        *exact_note(ran, "images"),
        "SSIM_Y is that of the same luma, with a Gaussian window of 11 x 11 inside the image, means "
        "over images. `n/a`: all images are smaller than that.",
        *([ADDED_NOTE] if any(row["precision"].startswith("int8-") for row in rows) else []),
        *caution_notes(ran, ()),
        *bicubic_note(text),
        *([f"Published figures: {'; '.join(said)}."] if said else []),
        *text.notes,
    ]


def _spread_table(rows: Sequence[Row], seeds: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the mean, least and largest INT8 loss of PSNR_Y [dB] over seeds, as Markdown.

    A series is a label and its precisions, which differ only in the seed of their random data. A loss
    counts if both the arm and FP32 ran. The result is empty without any series.
    """
    lines = [["Model", "Runtime", "Clip", "INT8", "Seeds", "Mean", "Least", "Largest"]]
    targets = dict.fromkeys(row["target"] for row in rows)
    for model in labels.order_models(row["model"] for row in rows):
        for runtime in labels.order_runtimes(row["runtime"] for row in rows):
            for target in targets:
                mine = [
                    r for r in rows if (r["model"], r["runtime"], r["target"]) == (model, runtime, target)
                ]
                where = labels.runtime_label(runtime) + (f" on {target}" if len(targets) > 1 else "")
                lines += [[labels.model_label(model), where, *cells] for cells in _spreads(mine, rows, seeds)]
    return align(lines, left=4) if len(lines) > 1 else ""


def _spreads(
    mine: Sequence[Row], rows: Sequence[Row], seeds: Sequence[tuple[str, Sequence[str]]]
) -> list[list[str]]:
    found = []
    for clip in dict.fromkeys(row["clip"] for row in mine):
        for label, precisions in seeds:
            losses = [
                loss
                for row in mine
                if row["clip"] == clip and row["precision"] in precisions
                if (loss := loss_of(row, rows, "psnr_y_db")) is not None
            ]
            if len(losses) > 1:
                figures = [f"{value:.3f}" for value in (fmean(losses), min(losses), max(losses))]
                found.append([clip, label, str(len(losses)), *figures])
    return found
