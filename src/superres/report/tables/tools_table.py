"""INT8 graphs of other tools and of this pipeline, on the same images: `tools.csv`, `tools.md`."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import onnx

from superres.csv_rows import Row
from superres.device.base.outputs import Outputs, read_json, sha256_file
from superres.report import labels
from superres.report.metrics.operations import executed_convolutions
from superres.report.metrics.relative import loss_of
from superres.report.metrics.schema import read_evaluation
from superres.report.tables.cells import Reasons, align

OURS = "this pipeline"


@dataclass(frozen=True)
class Graph:
    """An ONNX file: its maker, size, hash, and the float tensors that it quantises, by operator."""

    maker: str
    onnx_bytes: int
    sha256: str
    quantized: Mapping[str, int]

    @property
    def tensors(self) -> int:
        """The number of tensors that are quantised while the graph runs, without weights."""
        return sum(self.quantized.values())


@dataclass(frozen=True)
class ToolRow:
    """An arm on a clip: its graph, its INT8 convolutions in the runtime, and its loss against FP32 [dB]."""

    clip: str
    target: str
    model: str
    precision: str
    maker: str
    runtime: str
    psnr_db: float | None
    psnr_y_db: float | None
    psnr_loss_db: float | None
    psnr_y_loss_db: float | None
    onnx_bytes: int
    engine_bytes: int | None
    quantized_tensors: int
    quantized_after: str
    int8_convolutions: int | None
    convolutions: int | None
    status: str


def compare_tools(
    evaluation: Path,
    graphs: Mapping[tuple[str, str], Path],
    engines: Mapping[str, Path],
    tools: Mapping[str, str],
    *,
    csv_out: Path,
    md_out: Path,
) -> None:
    """Write a row per arm and clip as CSV, and a table per clip as Markdown.

    `graphs` are ONNX files by model and precision. `engines` are records of built engines by the arm's folder
    ("target/runtime/model/precision"). `tools` are other tools by the precision's name after `int8-`. Both
    files appear together.
    """
    seen = {key: read_graph(path, _maker(key[1], tools)) for key, path in graphs.items()}
    every = read_evaluation(evaluation).to_dicts()
    rows = [
        _row(row, every, seen[row["model"], row["precision"]], read_json(engines[arm], ("status",)))
        for row in every
        if (arm := labels.arm_folder(row)) in engines
    ]
    with Outputs({"csv": str(csv_out), "md": str(md_out)}) as outputs:
        with outputs["csv"].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(ToolRow)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
        outputs["md"].write_text(_markdown(rows, seen), encoding="utf-8")


def read_graph(path: Path, maker: str) -> Graph:
    """Read the size, hash and quantised tensors of an ONNX file."""
    model = onnx.load(str(path))
    written = {name: node.op_type for node in model.graph.node for name in node.output}
    constant = {tensor.name for tensor in model.graph.initializer}
    entries = [n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    quantized = Counter(written.get(name, name) for name in entries if name not in constant)
    return Graph(maker, path.stat().st_size, sha256_file(path), dict(sorted(quantized.items())))


def _maker(precision: str, tools: Mapping[str, str]) -> str:
    return tools.get(precision.removeprefix("int8-"), OURS)


def _row(row: Row, rows: Sequence[Row], graph: Graph, engine: Mapping[str, Any]) -> ToolRow:
    int8, convolutions = executed_convolutions(engine.get("facts", {}))
    return ToolRow(
        **{
            key: row[key]
            for key in ("clip", "target", "model", "precision", "runtime", "psnr_db", "psnr_y_db")
        },
        maker=graph.maker,
        psnr_loss_db=loss_of(row, rows, "psnr_db"),
        psnr_y_loss_db=loss_of(row, rows, "psnr_y_db"),
        onnx_bytes=graph.onnx_bytes,
        engine_bytes=engine.get("engine_bytes"),
        quantized_tensors=graph.tensors,
        quantized_after=", ".join(f"{name} {count}" for name, count in graph.quantized.items()),
        int8_convolutions=int8,
        convolutions=convolutions,
        status=row["status"],
    )


def _markdown(rows: Sequence[ToolRow], graphs: Mapping[tuple[str, str], Graph]) -> str:
    reasons = Reasons()
    parts = ["# INT8 by other tools, on the same images"]
    for clip, target in dict.fromkeys((row.clip, row.target) for row in rows):
        mine = [row for row in rows if (row.clip, row.target) == (clip, target)]
        parts.append(f"## Clip `{clip}` on `{target}`\n\n{_table(mine, reasons)}")
    notes = [
        *(f"({letter}) {reason}." for reason, letter in reasons.letters.items()),
        "PSNR [dB] over R, G, B, mean over images. In brackets: the change against FP32 in the same "
        "runtime. Then: how many of the convolutions run in INT8.",
        "ONNX: size of the file. This pipeline writes weights in FP32 followed by Q/DQ, as TensorRT needs "
        "them. Its files are no smaller than FP32; its engines hold INT8.",
        "Tensors: how many are quantised while the graph runs, without weights; `tools.csv` names their "
        "operators. This pipeline repeats the pair after a ReLU in front of it, which changes no value and "
        "counts twice.",
        *_same_graphs(graphs),
    ]
    parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[ToolRow], reasons: Reasons) -> str:
    runtimes = labels.order_runtimes(row.runtime for row in rows)
    found = {(row.model, row.precision, row.runtime): row for row in rows}
    lines = [["Model", "Precision", "By", "ONNX [kB]", "Tensors", *map(labels.runtime_label, runtimes)]]
    last = ""
    for model, precision in _order(rows):
        here = [found.get((model, precision, runtime)) for runtime in runtimes]
        graph = next(row for row in here if row)
        title, last = ("" if model == last else labels.model_label(model)), model
        made = [graph.maker, f"{graph.onnx_bytes / 1000:.1f}", str(graph.quantized_tensors)]
        cells = [_cell(row, reasons) if row else "-" for row in here]
        lines.append([title, labels.precision_label(precision), *made, *cells])
    return align(lines, left=3)


def _order(rows: Sequence[ToolRow]) -> list[tuple[str, str]]:
    """Sort by model, then FP32 first, then by loss in the first runtime that ran the precision."""
    losses: dict[tuple[str, str], float] = {}
    for row in rows:
        known = -1.0 if row.precision == "fp32" else row.psnr_loss_db
        losses.setdefault((row.model, row.precision), float("inf") if known is None else known)
    models = labels.order_models(row.model for row in rows)
    return sorted(losses, key=lambda key: (models.index(key[0]), losses[key], key[1]))


def _cell(row: ToolRow, reasons: Reasons) -> str:
    if row.psnr_db is None:
        return reasons.shorten(row.status)
    change = "" if row.psnr_loss_db is None or row.precision == "fp32" else f" ({-row.psnr_loss_db:+.3f})"
    told = row.precision != "fp32" and row.int8_convolutions is not None
    convolutions = f", {row.int8_convolutions} of {row.convolutions}" if told else ""
    return f"{row.psnr_db:.3f}{change}{convolutions}"


def _same_graphs(graphs: Mapping[tuple[str, str], Graph]) -> list[str]:
    """Return a note for each pair of a model's precisions with identical files."""
    notes = []
    for (model, precision), graph in graphs.items():
        for (other, twin), theirs in graphs.items():
            if model == other and precision < twin and graph.sha256 == theirs.sha256:
                names = f"{labels.precision_label(precision)} and {labels.precision_label(twin)}"
                notes.append(f"{names} are the same graph of {labels.model_label(model)}, bit by bit.")
    return notes
