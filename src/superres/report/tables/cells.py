"""The cells of Table 1: a study's figures, the paper's, or reasons; and Markdown for all tables."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superres.csv_rows import Row
from superres.device.base.conventions import DEFAULT_SCALE, IMPLICIT
from superres.device.timing.ratios import Ratio
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import NOISE_MARK, NOISY, marks
from superres.report.metrics.relative import (
    OVER_FP32,
    OVER_PYTORCH,
    OVER_REFERENCE,
    added_error,
    added_mse,
    describe_added,
    find_speedups,
    paper_speedups,
)

PAPER = "paper, Jetson Xavier NX, crowd_run"
OURS = "this study"
NEEDS_CUDA = "not run: needs a CUDA device"
NOT_IN_STUDY = "not in this study"
NO_RATIO = "n/a"
_WIDE = 0.5

SPEEDS = {
    "fps": "FPS [frames/sec]",
    OVER_REFERENCE: "Times as fast as the reference",
    OVER_PYTORCH: "Times as fast as default PyTorch FP32, same network",
    OVER_FP32: "Times as fast as FP32 in the same runtime",
    "limit_fraction": "Share of the machine's limit [%]",
}
"""Metrics that an arm has once for frames of one size."""
METRICS = {
    "psnr_db": "PSNR [dB]",
    "psnr_y_db": "PSNR_Y [dB]",
    "added_mse": "Squared error added (root)",
    **SPEEDS,
    "ssim_y": "SSIM_Y",
    "psnr_of_mean_db": "PSNR of the mean error [dB]",
    "psnr_y_of_mean_db": "PSNR_Y of the mean error [dB]",
}

ADDED_NOTE = (
    "Squared error added: the mean squared error over R, G, B minus that of FP32, from the PSNR of the mean "
    "error, in levels squared. In brackets: its root. INT8's depends less on the picture than dB: where "
    "FP32 has the squared error m, PSNR falls by 10 log10(1 + added / m)."
)

Cell = tuple[str, str, str, str]
"""Metric, model, runtime, precision."""


@dataclass(frozen=True)
class TableText:
    """The texts of a table.

    `notes` are further lines, such as descriptions of clips. `dummy` describes the data of "INT8 w/o
    calibration"; `calibrated` is the precision of the column "INT8 w/ calibration". `precisions` override
    `labels.precision_label`. `kernel` is that of bicubic, one of `labels.KERNELS`; None without bicubic.
    `samples` are the names of pictures that show a detail of each clip.
    """

    notes: Sequence[str] = ()
    dummy: str = "one random image, uniform in [0, 1)"
    calibrated: str = "int8-minmax"
    precisions: Mapping[str, str] = field(default_factory=dict)
    kernel: str | None = "opencv"
    samples: Sequence[str] = ()

    def precision(self, name: str) -> str:
        """Return the label of a precision's column."""
        fixed = {labels.UNCALIBRATED: "INT8 w/o calibration", self.calibrated: "INT8 w/ calibration"}
        return fixed.get(name) or self.precisions.get(name) or labels.precision_label(name)


@dataclass(frozen=True)
class Block:
    """The table of one clip on one target at one scale: the text of every cell, the study's and the paper's.

    `columns` are (runtime, precision), grouped by runtime. The paper has figures at its scale alone.
    """

    clip: str
    target: str
    scale: int
    models: list[str]
    columns: list[tuple[str, str]]
    ours: Mapping[Cell, str]
    paper: Mapping[Cell, str]


def read_paper(calibrated: str) -> dict[Cell, str]:
    """Read the paper's figures, with its "w/ calibration" in the column of the precision `calibrated`."""
    return {cell: _format(cell[0], value) for cell, value in _paper_values(calibrated).items()}


def _paper_values(calibrated: str) -> dict[Cell, float]:
    names = {"uncalibrated": labels.UNCALIBRATED, "calibrated": calibrated}
    with Path(__file__).with_name("paper_table1.csv").open(encoding="utf-8", newline="") as file:
        return {
            (
                row["metric"],
                row["model"],
                row["runtime"],
                names.get(row["precision"], row["precision"]),
            ): float(row["value"])
            for row in csv.DictReader(file)
        }


def paper_added(calibrated: str) -> dict[Cell, str]:
    """Return the squared error that the paper's arms add to FP32 in the same runtime, from their PSNR."""
    psnr = {cell[1:]: value for cell, value in _paper_values(calibrated).items() if cell[0] == "psnr_db"}
    return {
        ("added_mse", model, runtime, precision): describe_added(
            added_error(value, psnr[model, runtime, "fp32"])
        )
        for (model, runtime, precision), value in psnr.items()
        if (model, runtime, "fp32") in psnr
    }


def _paper_speedups(calibrated: str) -> dict[Cell, str]:
    """Return the paper's speedups, from its FPS, without intervals."""
    fps = {cell[1:]: value for cell, value in _paper_values(calibrated).items() if cell[0] == "fps"}
    return {cell: f"{value:.2f}" for cell, value in paper_speedups(fps).items()}


def build_blocks(rows: Sequence[Row], text: TableText) -> list[Block]:
    """Return a block per clip, target and scale of the metrics' rows, in their order and by scale."""
    paper = read_paper(text.calibrated) | _paper_speedups(text.calibrated) | paper_added(text.calibrated)
    rows = in_papers_columns(rows, text.calibrated)
    places = dict.fromkeys((row["clip"], row["target"]) for row in rows)
    return [
        _block((clip, target, scale), mine, paper if scale == DEFAULT_SCALE else {}, text)
        for scale in sorted({row["scale"] for row in rows})
        for clip, target in places
        if (
            mine := [
                row for row in rows if (row["clip"], row["target"], row["scale"]) == (clip, target, scale)
            ]
        )
    ]


def in_papers_columns(rows: Sequence[Row], calibrated: str) -> list[Row]:
    """Return the rows with INT8 calibrated by TensorRT in the paper's columns, as in the paper.

    If a study also has TensorRT's Q/DQ graph of the same calibration, each keeps its own column.
    """
    found = {(row["runtime"], row["precision"]) for row in rows}

    def column(row: Row) -> str:
        plain = row["precision"].replace(IMPLICIT, "int8-")
        papers = plain in (labels.UNCALIBRATED, calibrated) and (row["runtime"], plain) not in found
        return plain if papers else row["precision"]

    return [{**row, "precision": column(row)} for row in rows]


def _block(
    place: tuple[str, str, int], mine: Sequence[Row], paper: Mapping[Cell, str], text: TableText
) -> Block:
    metrics = [metric for metric in METRICS if metric not in SPEEDS or is_timed(mine)]
    columns = _columns(mine, text.calibrated)
    papers = (model for _, model, _, _ in paper)
    models = labels.order_models([*papers, *(row["model"] for row in mine)])
    has_cuda = any(row["runtime"] == "tensorrt" and row["status"] == "ok" for row in mine)
    cells: dict[Cell, str] = {}
    for metric in metrics:
        for model in models:
            for runtime, precision in columns:
                if is_baseline(model) == (runtime == "opencv"):
                    cuda = runtime == "tensorrt" or (runtime, precision) == ("pytorch", "fp16")
                    missing = NEEDS_CUDA if cuda and not has_cuda else NOT_IN_STUDY
                    cells[metric, model, runtime, precision] = missing
    for row in mine:
        cells |= {cell: text for cell, text in _row_cells(row, mine).items() if cell[0] in metrics}
    return Block(*place, models, columns, cells, paper)


def is_timed(rows: Sequence[Row]) -> bool:
    """Return whether arms were timed on the clip of these rows, and not on another of the same frame size."""
    return any(row["timed_on"] in (None, row["clip"]) for row in rows)


def _row_cells(row: Row, rows: Sequence[Row]) -> dict[Cell, str]:
    """Return the cells of one arm: its figures, or the reason for none."""
    arm = (row["model"], row["runtime"], row["precision"])
    if row["status"] != "ok":
        return {(metric, *arm): row["status"] for metric in METRICS}
    values = {metric: row.get(metric) for metric in METRICS} | find_speedups(row, rows)
    values["added_mse"] = added_mse(row, rows)
    found = {(metric, *arm): _format(metric, value) for metric, value in values.items()}
    found |= {key: cell + marks(row) for key, cell in found.items() if "psnr" in key[0]}
    if NOISY in (row["cautions"] or ""):
        found["fps", *arm] += NOISE_MARK
    return found


def _columns(rows: Sequence[Row], calibrated: str) -> list[tuple[str, str]]:
    """Return the paper's columns, those of runtimes that run everywhere, and the study's others."""
    int8 = (labels.UNCALIBRATED, calibrated)
    base = {
        "pytorch": labels.FLOATS,
        "onnxruntime": ("fp32", *int8),
        "openvino": ("fp32", "bf16", *int8),
        "tensorrt": ("fp32", "fp16", *int8),
        "opencv": ("uint8",),
    }
    found = {(row["runtime"], row["precision"]) for row in rows}
    return [
        (runtime, precision)
        for runtime in labels.order_runtimes([*base, *(runtime for runtime, _ in found)])
        for precision in labels.order_precisions(
            [*base.get(runtime, ()), *(p for r, p in found if r == runtime)], calibrated
        )
    ]


def _format(metric: str, value: float | Ratio | None) -> str:
    if value is None:
        return NO_RATIO
    if isinstance(value, Ratio):
        return format_ratio(value)
    if metric == "added_mse":
        return describe_added(value)
    if metric == "limit_fraction":
        return f"{100 * value:.0f}"
    return f"{value:.2f}" if metric == "fps" else f"{value:.4f}"


def format_ratio(ratio: Ratio) -> str:
    """Return a ratio with the wider side of its interval, or with both ends of one that is wide."""
    margin = max(ratio.high - ratio.value, ratio.value - ratio.low)
    if not margin:
        return f"{ratio.value:g}"
    if margin > _WIDE * ratio.value:
        # Such an interval is skewed: a margin could say that an arm may have a speed below zero.
        return f"{ratio.value:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    return f"{ratio.value:.2f} ±{margin:.2f}"


def is_figure(cell: str) -> bool:
    """Return whether a cell holds a figure, not a reason for none."""
    return cell[:1].isdigit() or (cell[:1] == "-" and cell[1:2].isdigit())


def not_run_reasons(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the names of the arms that did not run, by the reason."""
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["status"] != "ok":
            reason = row["status"].removeprefix("not run: ")
            reasons.setdefault(reason, {})[labels.arm_label(labels.arm_folder(row))] = None
    return {reason: list(arms) for reason, arms in reasons.items()}


class Reasons:
    """Letters for reasons too long for a cell."""

    def __init__(self) -> None:
        self.letters: dict[str, str] = {}

    def shorten(self, cell: str) -> str:
        if not cell.startswith("not run: "):
            return "-" if cell == NOT_IN_STUDY else cell
        letter = self.letters.setdefault(cell, chr(ord("a") + len(self.letters)))
        return f"not run ({letter})"


def align(lines: Sequence[Sequence[str]], left: int) -> str:
    """Return Markdown rows with even columns: the first `left` ones left-aligned, figures right-aligned."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def row(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([row(lines[0]), row(rule), *(row(line) for line in lines[1:])])


def bicubic_note(text: TableText, ending: str = "") -> list[str]:
    """Return a note about bicubic; none without it."""
    if text.kernel is None:
        return []
    return [f"Bicubic is {labels.KERNELS[text.kernel]} on uint8 frames{ending}."]
