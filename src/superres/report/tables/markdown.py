"""Table 1 as Markdown that also reads as plain text: one table a metric, a row a model and runtime."""

from collections.abc import Sequence

from superres.csv_rows import Row
from superres.report import labels
from superres.report.metrics.cautions import FAR_MARK, FAR_OFF, NOISE_MARK, NOISY
from superres.report.metrics.schema import IDENTITY
from superres.report.tables.cells import (
    METRICS,
    NO_RATIO,
    NOT_IN_STUDY,
    PAPER,
    Block,
    TableText,
    in_papers_columns,
)


class Marks:
    """Letters for reasons that are too long for a cell."""

    def __init__(self) -> None:
        self.letters: dict[str, str] = {}

    def shorten(self, cell: str) -> str:
        if not cell.startswith("not run: "):
            return "-" if cell == NOT_IN_STUDY else cell
        letter = self.letters.setdefault(cell, chr(ord("a") + len(self.letters)))
        return f"not run ({letter})"


def render_markdown(blocks: Sequence[Block], rows: Sequence[Row], text: TableText, machine: str) -> str:
    """The whole file: a block for each clip and target, then the notes; `machine` is what the FPS are of."""
    marks = Marks()
    parts = ["# Table 1"]
    for block in blocks:
        parts.append(f"## Clip `{block.clip}` on `{block.target}`")
        for metric, title in METRICS.items():
            parts.append(f"### {title}\n\n{_table(block, metric, marks, text)}")
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in _notes(rows, marks, text, machine)))
    return "\n\n".join(parts) + "\n"


def _table(block: Block, metric: str, marks: Marks, text: TableText) -> str:
    precisions = labels.order_precisions((precision for _, precision in block.columns), text.calibrated)
    lines = [["Model", "Runtime", *(text.precision(precision) for precision in precisions)]]
    for model in block.models:
        title = labels.model_label(model)
        for runtime in dict.fromkeys(runtime for runtime, _ in block.columns):
            keys = [(metric, model, runtime, precision) for precision in precisions]
            for cells, prefix in ((block.ours, ""), (block.paper, "paper: ")):
                if any(key in cells for key in keys):
                    values = [marks.shorten(cells.get(key, "-")) for key in keys]
                    lines.append([title, prefix + labels.runtime_label(runtime), *values])
                    title = ""
    return align(lines, left=2)


def align(lines: Sequence[Sequence[str]], left: int) -> str:
    """Markdown rows with columns of even width: the first `left` to the left, figures to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    def row(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if column < left else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    return "\n".join([row(lines[0]), row(rule), *(row(line) for line in lines[1:])])


def _notes(rows: Sequence[Row], marks: Marks, text: TableText, machine: str) -> list[str]:
    ran = [row for row in rows if row["status"] == "ok"]
    calibrated = labels.precision_label(text.calibrated).removeprefix("INT8 ")
    # One study, one way to measure.
    luma, border = rows[0]["luma"], rows[0]["border"]
    return [
        *(f"({letter}) {reason}." for reason, letter in marks.letters.items()),
        f"`-`: {NOT_IN_STUDY}, or not in the paper.",
        f'"paper": the figures of Table 1 of the {PAPER}. Another clip on another machine: compare '
        "differences between precisions, not the figures themselves.",
        f"PSNR (Eq. 1, over R, G, B) and PSNR_Y (Eq. 2, {labels.LUMAS[luma]}){labels.border_label(border)} "
        f"are means over {_span(ran, 'frames')} frames of each frame's value; the mean error is averaged "
        "over frames first, and its PSNR taken then. The paper does not say which of the two it gives.",
        "FPS is 1000 / median milliseconds from a uint8 frame in memory to the uint8 frame of twice its "
        f"size in memory: {_span(ran, 'iterations')} timed frames with {_span(ran, 'threads')} threads, one "
        f"arm at a time, on {machine}. The paper does not say what its FPS includes.",
        *_speed_notes(ran),
        f"INT8 w/o calibration: ranges of {text.dummy}. The paper's torch2trt, where it is given no images, "
        "calibrates on the one tensor that the model is traced with; which that was, the paper does not say.",
        f"INT8 w/ calibration: ranges of the calibration set by the method {calibrated}; the paper's are of "
        "TensorRT's entropy calibrator.",
        *_implicit_note(rows, text),
        *bicubic_note(text, "; the paper does not say which it used"),
        *text.notes,
    ]


def _implicit_note(rows: Sequence[Row], text: TableText) -> list[str]:
    """What INT8 is in the paper's columns of TensorRT, where it isn't the Q/DQ graph of other runtimes."""
    moved = [
        row["precision"]
        for row, shown in zip(rows, in_papers_columns(rows, text.calibrated), strict=True)
        if row["precision"] != shown["precision"]
    ]
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(moved))
    return [f"TensorRT's INT8 is {names}: it finds the ranges itself, as in the paper."] if moved else []


def _speed_notes(ran: Sequence[Row]) -> list[str]:
    """What ratios and limits are of, and whatever is to be said of arms' speeds."""
    references = dict.fromkeys(row["reference"] for row in ran if row["reference"])
    notes = []
    if references:
        notes.append(
            f"The reference is {' and '.join(map(arm_label, references))}. Each arm took turns with it in "
            "its own run; a ratio is the median over rounds, ± the wider side of its 95% interval. The "
            "other ratios divide two of these."
        )
    if any(row["limit_fraction"] is not None for row in ran):
        notes.append(
            "The limit is the least time that the machine's fastest matrix product needs for as many "
            "multiply-adds in the same precision, or its memory for reading one frame and writing the "
            "other: `roofline/`, docs/performance.md."
        )
    notes.append(f"`{NO_RATIO}`: there is nothing to divide by, or no limit is known.")
    return notes + _caution_notes(ran)


def _caution_notes(ran: Sequence[Row]) -> list[str]:
    arms: dict[str, list[str]] = {}
    for row in ran:
        for caution in filter(None, (row["cautions"] or "").split("; ")):
            kind = next((kind for kind in (NOISY, FAR_OFF) if caution.startswith(kind)), caution)
            arms.setdefault(kind, []).append(arm_label(arm_folder(row)))
    return [_caution_note(kind, list(dict.fromkeys(names))) for kind, names in arms.items()]


def _caution_note(kind: str, arms: Sequence[str]) -> str:
    if kind == NOISY:
        return (
            f"`{NOISE_MARK}`: the machine was busy with something else, or times spread: trust ratios, not "
            f"FPS. `cautions` in metrics.csv has the figures of {labels.counted(len(arms), 'arm')}."
        )
    if kind == FAR_OFF:
        return (
            f"`{FAR_MARK}`: the picture is worse than bicubic's, or far from FP32's. That may be a fault, "
            "such as wrong colours, rather than a loss: look at `plots/samples.png` before the figures. "
            f"{', '.join(arms)}."
        )
    return f"Caution, {kind}: {', '.join(arms)}."


def arm_folder(row: Row) -> str:
    """The folder of a row's arm, which is its name in files: `local/openvino/espcn_rgb/fp32`."""
    return "/".join(row[key] for key in IDENTITY[:4])


def arm_label(folder: str) -> str:
    """An arm's folder in words: `OpenVINO FP32 ESPCN_RGB`."""
    _, runtime, model, precision = folder.split("/")
    return f"{labels.runtime_label(runtime)} {labels.precision_label(precision)} {labels.model_label(model)}"


def bicubic_note(text: TableText, ending: str = "") -> list[str]:
    """What the baseline is; nothing without it."""
    if text.kernel is None:
        return []
    return [f"Bicubic is {labels.KERNELS[text.kernel]} on uint8 frames{ending}."]


def _span(rows: Sequence[Row], column: str) -> str:
    values = sorted({row[column] for row in rows})
    if not values:
        return "0"
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
