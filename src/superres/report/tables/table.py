"""The paper's Table 1 with a study's figures, as CSV in the paper's layout and as Markdown."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from superres.csv_rows import Row
from superres.device.base.outputs import Outputs, read_json, write_csv
from superres.device.base.words import counted
from superres.report import labels
from superres.report.metrics.schema import read_metrics
from superres.report.tables.caution_notes import caution_notes, exact_note
from superres.report.tables.cells import (
    ADDED_NOTE,
    METRICS,
    NOT_IN_STUDY,
    OURS,
    PAPER,
    Block,
    TableText,
    align,
    bicubic_note,
    build_blocks,
    in_papers_columns,
    is_figure,
    not_run_reasons,
    paper_added,
    read_paper,
)
from superres.report.tables.latex import latex_table

# Processor features that decide the speed of a precision.
TELLING = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


def write_table(
    metrics: Path, manifests: Sequence[Path], *, csv_out: Path, md_out: Path, tex_out: Path, text: TableText
) -> None:
    """Write `table1.csv`, `table1.md` and the table of papers, `table1.tex`, from `metrics.csv`.

    `manifests` are those of the arms; they describe the machines. The CSV has the paper's rows and columns, a
    block per clip, target and scale; the paper's figures follow each row of the first block at its scale. The
    Markdown has a row per runtime and clip, and the paper's figures at its end. Speed is there once for
    frames of one size.
    """
    rows = read_metrics(metrics).to_dicts()
    machine = describe_machines(manifests)
    blocks = build_blocks(rows, text)
    with Outputs({"csv": str(csv_out), "md": str(md_out), "tex": str(tex_out)}) as outputs:
        columns = _all_columns(blocks)
        write_csv(outputs["csv"], _csv_header(columns, text), _csv_rows(blocks, columns))
        outputs["md"].write_text(_render(blocks, rows, text, machine), encoding="utf-8")
        outputs["tex"].write_text(latex_table(rows, text, machine), encoding="utf-8")


def _all_columns(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Return the columns of all blocks, grouped by runtime."""
    columns = dict.fromkeys(column for block in blocks for column in block.columns)
    runtimes = labels.order_runtimes(runtime for runtime, _ in columns)
    return [column for runtime in runtimes for column in columns if column[0] == runtime]


def _csv_header(columns: Sequence[tuple[str, str]], text: TableText) -> list[str]:
    names = [f"{labels.runtime_label(runtime)} {text.precision(precision)}" for runtime, precision in columns]
    return ["clip", "target", "scale", "metric", "model", "source", *names]


def _csv_rows(blocks: Sequence[Block], columns: Sequence[tuple[str, str]]) -> list[list[str]]:
    rows = []
    first = next((block for block in blocks if block.paper), None)
    for block in blocks:
        sources = ((OURS, block.ours), *([(PAPER, block.paper)] if block is first else []))
        for metric, title in METRICS.items():
            for model in block.models:
                for source, cells in sources:
                    values = [cells.get((metric, model, *column), "-") for column in columns]
                    if set(values) != {"-"}:
                        start = [
                            block.clip,
                            block.target,
                            str(block.scale),
                            title,
                            labels.model_label(model),
                            source,
                        ]
                        rows.append([*start, *values])
    return rows


def describe_machines(manifests: Sequence[Path]) -> str:
    """Describe each machine that timed arms, such as `AMD EPYC, 2 CPUs (avx512_vnni), 2.6 GHz, 2 threads`.

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
    return ", ".join(
        [
            f"{cpu}, {counted(count, 'CPU')} ({features})",
            *describe_speed(machine),
            counted(threads, "thread"),
        ]
    )


def describe_speed(machine: Mapping[str, Any]) -> list[str]:
    """Return what a machine's name doesn't tell, as far as its record does: `2.6 GHz`, `32 MiB L3`."""
    clock, caches = machine.get("max_mhz"), machine.get("caches_kib") or {}
    largest = max(caches, default=None)
    return [
        *([f"{clock / 1000:.1f} GHz"] if clock else []),
        *([f"{caches[largest] / 1024:g} MiB {largest}"] if largest else []),
    ]


def _render(blocks: Sequence[Block], rows: Sequence[Row], text: TableText, machine: str) -> str:
    """Return the whole file: tables per metric, scale and target, the paper's, what didn't run, and notes."""
    parts = ["# Table 1"]
    pairs = dict.fromkeys((block.target, block.scale) for block in blocks)
    targets, scales = (set(each) for each in zip(*pairs, strict=True))
    for target, scale in pairs:
        mine = [block for block in blocks if (block.target, block.scale) == (target, scale)]
        at = [f"on `{target}`"] * (len(targets) > 1) + [f"at {labels.scale_label(scale)}"] * (len(scales) > 1)
        parts += [f"## {' '.join(at).capitalize()}"] if at else []
        for metric, title in METRICS.items():
            if table := _table(mine, metric, text):
                parts.append(f"### {title}\n\n{table}")
    parts.append(f"## The paper: {PAPER.removeprefix('paper, ')}\n\n{_paper_table(text)}")
    if missing := not_run_reasons(rows):
        lines = (f"- {reason}: {', '.join(arms)}" for reason, arms in missing.items())
        parts.append("## Not run\n\n" + "\n".join(lines))
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in _notes(rows, text, machine)))
    return "\n\n".join(parts) + "\n"


def _table(blocks: Sequence[Block], metric: str, text: TableText) -> str:
    """Return the rows (model, runtime, clip) and columns that have a figure; empty if no arm has one."""
    cells = {
        (model, runtime, block.clip, precision): cell
        for block in blocks
        for (name, model, runtime, precision), cell in block.ours.items()
        if name == metric and is_figure(cell)
    }
    if not cells:
        return ""
    models = labels.order_models(model for model, _, _, _ in cells)
    runtimes = labels.order_runtimes(runtime for _, runtime, _, _ in cells)
    precisions = labels.order_precisions((precision for *_, precision in cells), text.calibrated)
    # Speed has the clips that arms were timed on.
    clips = list(dict.fromkeys(clip for _, _, clip, _ in cells))
    several = len(clips) > 1
    lines = [["Model", "Runtime", *["Clip"] * several, *(text.precision(name) for name in precisions)]]
    title = ""
    for model, runtime, clip in product(models, runtimes, clips):
        found = [cells.get((model, runtime, clip, precision)) for precision in precisions]
        if any(found):
            new, title = ("" if model == title else labels.model_label(model)), model
            values = [cell or "-" for cell in found]
            lines.append([new, labels.runtime_label(runtime), *[clip] * several, *values])
    return align(lines, left=2 + several)


def _paper_table(text: TableText) -> str:
    """Return the paper's figures, a row per model, runtime and precision."""
    paper = read_paper(text.calibrated) | paper_added(text.calibrated)
    metrics = list(dict.fromkeys(metric for metric, *_ in paper))
    lines = [["Model", "Runtime", "Precision", *(METRICS[metric] for metric in metrics)]]
    for model, runtime, precision in dict.fromkeys(cell[1:] for cell in paper):
        names = [labels.model_label(model), labels.runtime_label(runtime), text.precision(precision)]
        lines.append([*names, *(paper.get((metric, model, runtime, precision), "-") for metric in metrics)])
    return align(lines, left=3)


def _notes(rows: Sequence[Row], text: TableText, machine: str) -> list[str]:
    ran = [row for row in rows if row["status"] == "ok"]
    calibrated = labels.precision_label(text.calibrated).removeprefix("INT8 ")
    # A study measures all arms alike.
    luma = rows[0]["luma"]
    return [
        f"`-`: {NOT_IN_STUDY} or the paper, or no arm to divide by. The paper's clip and machine differ: "
        "compare differences between precisions, not the figures themselves.",
        *caution_notes(ran, text.samples),
        f"PSNR (Eq. 1) is measured over R, G, B, PSNR_Y (Eq. 2) on {labels.LUMAS[luma]}"
        f"{labels.border_label(rows)}. Both are means over {_span(ran, 'frames', 'frame')} of each "
        "frame's value. PSNR of the mean error averages the squared error over frames first. The paper does "
        "not say which of the two it gives.",
        *exact_note(ran, "frames"),
        f"{ADDED_NOTE} The paper's is that of its PSNR.",
        "SSIM_Y is that of luma, with a Gaussian window of 11 x 11 inside the frame, a mean over frames.",
        "FPS is 1000 / median milliseconds, from a uint8 frame in memory to the larger uint8 frame in "
        f"memory: {_span(ran, 'iterations', 'timed frame')} with {_span(ran, 'threads', 'thread')}, one "
        f"arm at a time, on {machine}. The paper does not say what its FPS includes.",
        *_timed_notes(ran),
        *_speed_notes(ran),
        f"INT8 w/o calibration: ranges of {text.dummy}. Without images, the paper's torch2trt calibrates on "
        "the tensor that the model is traced with. The paper does not say which tensor that was.",
        f"INT8 w/ calibration: ranges of the calibration set by the method {calibrated}; the paper used "
        "TensorRT's entropy calibrator.",
        *_implicit_note(rows, text),
        *bicubic_note(text, "; the paper does not say which it used"),
        *text.notes,
    ]


def _timed_notes(ran: Sequence[Row]) -> list[str]:
    """Return a note for each clip whose arms were timed on another one."""
    others = {row["clip"]: row["timed_on"] for row in ran if row["timed_on"] != row["clip"]}
    return [
        f"Speed on `{clip}` is that on `{timed}`, whose frames have the same size."
        for clip, timed in others.items()
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
            "it. A ratio is the median over rounds, ± the wider side of its 95% interval, or both ends of a "
            "wide one. The other ratios divide two of these. Intervals hold for this run: machines of one "
            "name differ by more."
        )
    if any(row["limit_fraction"] is not None for row in ran):
        notes.append(
            "The limit is the least time that the machine needs for the same multiply-adds, by its fastest "
            "matrix product in that precision, or for reading one frame and writing the other: see "
            "`roofline/` and docs/performance.md."
        )
        peaks = _peaks(ran)
        told = (f"{peak:.0f} on `{target}`" for target, peak in peaks.items())
        notes += [f"10^9 multiply-adds a second of the fastest FP32 product: {', '.join(told)}."] * bool(
            peaks
        )
    return notes


def _peaks(ran: Sequence[Row]) -> dict[str, float]:
    """Return each target's peak in FP32 [10^9 multiply-adds a second], which memory never raises."""
    peaks: dict[str, float] = {}
    for row in ran:
        if row["precision"] == "fp32" and row["macs"] and row["limit_ms"]:
            peaks[row["target"]] = max(row["macs"] / row["limit_ms"] / 1e6, peaks.get(row["target"], 0.0))
    return peaks


def _span(rows: Sequence[Row], column: str, noun: str) -> str:
    """Return the least and the largest number of things, such as `5 to 50 timed frames` or `1 frame`."""
    values = sorted({row[column] for row in rows}) or [0]
    few, many = values[0], values[-1]
    return counted(many, noun) if few == many else f"{few} to {counted(many, noun)}"
