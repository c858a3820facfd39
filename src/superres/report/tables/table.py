"""The paper's Table 1 with a study's figures: as CSV in the paper's own layout, as Markdown for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.device.base.outputs import Outputs, read_json, write_csv
from superres.report import labels
from superres.report.metrics.schema import read_metrics
from superres.report.tables.cells import METRICS, OURS, PAPER, Block, TableText, build_blocks
from superres.report.tables.markdown import render_markdown

# Processor features that decide how fast a precision is.
TELLING = ("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "i8mm")


def write_table(
    metrics: Path, manifests: Sequence[Path], csv_out: Path, md_out: Path, text: TableText
) -> None:
    """Write `table1.csv` and `table1.md` from `metrics.csv`, a block for each clip and target.

    `manifests` are those of the arms, which know the machines.

    The CSV has the paper's rows and columns side by side; the Markdown has a row a runtime, so that it can
    be read as plain text. Every row of ours is followed by the paper's figures where it has any.
    """
    rows = read_metrics(metrics).to_dicts()
    machine = describe_machines(manifests)
    blocks = build_blocks(rows, text)
    with Outputs({"csv": str(csv_out), "md": str(md_out)}) as outputs:
        columns = _all_columns(blocks)
        write_csv(outputs["csv"], _csv_header(columns, text), _csv_rows(blocks, columns))
        outputs["md"].write_text(render_markdown(blocks, rows, text, machine), encoding="utf-8")


def _all_columns(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """The columns of all blocks, grouped by runtime."""
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
    """One clause a machine on which arms were timed, such as `AMD EPYC, 2 CPUs (avx512_vnni), 2 threads`.

    `manifests` are arms' manifests; those of arms that did not run count too.
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
