"""The paper's Table 1 with a study's figures, as CSV in the paper's layout and as Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.csv_rows import Row
from superres.device.base.outputs import Outputs, read_json, write_csv
from superres.report import labels
from superres.report.metrics.cautions import FAR_MARK, FAR_OFF, NOISE_MARK, NOISY
from superres.report.metrics.schema import read_metrics
from superres.report.tables.cells import (
    METRICS,
    NO_RATIO,
    NOT_IN_STUDY,
    OURS,
    PAPER,
    Block,
    Marks,
    TableText,
    align,
    bicubic_note,
    build_blocks,
    in_papers_columns,
)

# Processor features that decide the speed of a precision.
TELLING = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


def write_table(
    metrics: Path, manifests: Sequence[Path], csv_out: Path, md_out: Path, text: TableText
) -> None:
    """Write `table1.csv` and `table1.md` from `metrics.csv`, a block per clip and target.

    `manifests` are those of the arms; they describe the machines. The CSV has the paper's rows and columns,
    the Markdown a row per runtime. The paper's figures follow each row of the study.
    """
    rows = read_metrics(metrics).to_dicts()
    machine = describe_machines(manifests)
    blocks = build_blocks(rows, text)
    with Outputs({"csv": str(csv_out), "md": str(md_out)}) as outputs:
        columns = _all_columns(blocks)
        write_csv(outputs["csv"], _csv_header(columns, text), _csv_rows(blocks, columns))
        outputs["md"].write_text(_render(blocks, rows, text, machine), encoding="utf-8")


def _all_columns(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Return the columns of all blocks, grouped by runtime."""
    columns = dict.fromkeys(column for block in blocks for column in block.columns)
    runtimes = labels.order_runtimes(runtime for runtime, _ in columns)
    return [column for runtime in runtimes for column in columns if column[0] == runtime]


def _csv_header(columns: Sequence[tuple[str, str]], text: TableText) -> list[str]:
    names = [f"{labels.runtime_label(runtime)} {text.precision(precision)}" for runtime, precision in columns]
    return ["clip", "target", "metric", "model", "source", *names]


def _csv_rows(blocks: Sequence[Block], columns: Sequence[tuple[str, str]]) -> list[list[str]]:
    rows = []
    for block in blocks:
        for metric, title in METRICS.items():
            for model in block.models:
                for source, cells in ((OURS, block.ours), (PAPER, block.paper)):
                    values = [cells.get((metric, model, *column), "-") for column in columns]
                    if source == OURS or set(values) != {"-"}:
                        start = [block.clip, block.target, title, labels.model_label(model), source]
                        rows.append([*start, *values])
    return rows


def describe_machines(manifests: Sequence[Path]) -> str:
    """Describe each machine that timed arms, such as `AMD EPYC, 2 CPUs (avx512_vnni), 2 threads`.

    `manifests` may include those of arms that did not run.
    """
    machines = [read_json(path, ("latency",))["latency"] for path in manifests]
    return "; ".join(dict.fromkeys(_describe(latency) for latency in machines))


def _describe(latency: Mapping[str, Any]) -> str:
    machine = latency["machine"]
    features = (
        ", ".join(flag for flag in TELLING if flag in machine["flags"]) or "no INT8 or BF16 instructions"
    )
    count, threads = machine["usable_cpus"], latency["threads"]
    cpu = machine.get("module") or machine["cpu"] or machine["architecture"]
    return f"{cpu}, {labels.counted(count, 'CPU')} ({features}), {labels.counted(threads, 'thread')}"


def _render(blocks: Sequence[Block], rows: Sequence[Row], text: TableText, machine: str) -> str:
    """Return the whole file: a block per clip and target, then notes; `machine` describes the machines."""
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


def _notes(rows: Sequence[Row], marks: Marks, text: TableText, machine: str) -> list[str]:
    ran = [row for row in rows if row["status"] == "ok"]
    calibrated = labels.precision_label(text.calibrated).removeprefix("INT8 ")
    # A study measures all arms alike.
    luma, border = rows[0]["luma"], rows[0]["border"]
    return [
        *(f"({letter}) {reason}." for reason, letter in marks.letters.items()),
        f"`-`: {NOT_IN_STUDY}, or not in the paper.",
        f'"paper": figures of Table 1 of the {PAPER}. Clip and machine differ: compare differences between '
        "precisions, not the figures themselves.",
        f"PSNR (Eq. 1) is measured over R, G, B, PSNR_Y (Eq. 2) on {labels.LUMAS[luma]}"
        f"{labels.border_label(border)}. Both are means over {_span(ran, 'frames')} frames of each frame's "
        "value. PSNR of the mean error averages the squared error over frames first. The paper does not "
        "say which of the two it gives.",
        "FPS is 1000 / median milliseconds, from a uint8 frame in memory to the uint8 frame of twice its "
        f"size in memory: {_span(ran, 'iterations')} timed frames with {_span(ran, 'threads')} threads, one "
        f"arm at a time, on {machine}. The paper does not say what its FPS includes.",
        *_speed_notes(ran),
        f"INT8 w/o calibration: ranges of {text.dummy}. Without images, the paper's torch2trt calibrates on "
        "the tensor that the model is traced with. The paper does not say which tensor that was.",
        f"INT8 w/ calibration: ranges of the calibration set by the method {calibrated}; the paper used "
        "TensorRT's entropy calibrator.",
        *_implicit_note(rows, text),
        *bicubic_note(text, "; the paper does not say which it used"),
        *text.notes,
    ]


def _implicit_note(rows: Sequence[Row], text: TableText) -> list[str]:
    """Return a note if the paper's columns of TensorRT hold INT8 other than Q/DQ graphs."""
    moved = [
        row["precision"]
        for row, shown in zip(rows, in_papers_columns(rows, text.calibrated), strict=True)
        if row["precision"] != shown["precision"]
    ]
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(moved))
    return [f"TensorRT's INT8 is {names}: it finds the ranges itself, as in the paper."] if moved else []


def _speed_notes(ran: Sequence[Row]) -> list[str]:
    """Return notes about ratios, limits and cautions."""
    references = dict.fromkeys(row["reference"] for row in ran if row["reference"])
    notes = []
    if references:
        notes.append(
            f"The reference is {' and '.join(map(labels.arm_label, references))}. Each arm took turns with "
            "it. A ratio is the median over rounds, ± the wider side of its 95% interval. The other ratios "
            "divide two of these."
        )
    if any(row["limit_fraction"] is not None for row in ran):
        notes.append(
            "The limit is the least time that the machine needs for the same multiply-adds, by its fastest "
            "matrix product in that precision, or for reading one frame and writing the other: see "
            "`roofline/` and docs/performance.md."
        )
    notes.append(f"`{NO_RATIO}`: no arm to divide by, or no known limit.")
    return notes + _caution_notes(ran)


def _caution_notes(ran: Sequence[Row]) -> list[str]:
    arms: dict[str, list[str]] = {}
    for row in ran:
        for caution in filter(None, (row["cautions"] or "").split("; ")):
            kind = next((kind for kind in (NOISY, FAR_OFF) if caution.startswith(kind)), caution)
            arms.setdefault(kind, []).append(labels.arm_label(labels.arm_folder(row)))
    return [_caution_note(kind, list(dict.fromkeys(names))) for kind, names in arms.items()]


def _caution_note(kind: str, arms: Sequence[str]) -> str:
    if kind == NOISY:
        return (
            f"`{NOISE_MARK}`: measured while the machine was busy, or with a wide spread: trust ratios, not "
            f"FPS. `cautions` in metrics.csv has the figures of {labels.counted(len(arms), 'arm')}."
        )
    if kind == FAR_OFF:
        return (
            f"`{FAR_MARK}`: the picture is worse than bicubic, or far below FP32. It may be a fault such as "
            "wrong colours: look at `plots/samples.png` before the figures. "
            f"{', '.join(arms)}."
        )
    return f"Caution, {kind}: {', '.join(arms)}."


def _span(rows: Sequence[Row], column: str) -> str:
    values = sorted({row[column] for row in rows})
    if not values:
        return "0"
    return str(values[0]) if len(values) == 1 else f"{values[0]} to {values[-1]}"
