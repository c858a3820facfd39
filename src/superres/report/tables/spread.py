"""How much of an INT8 loss is chance: precisions that differ in nothing but the seed of their random data."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from superres.report import labels
from superres.report.metrics.losses import loss_of
from superres.report.tables.markdown import align

Row = Mapping[str, Any]


def spread_table(rows: Sequence[Row], seeds: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Mean, least and largest PSNR_Y loss [dB] of each series of seeds, by model, runtime, target and clip, as Markdown.

    A series is a label and its precisions. A loss is counted where arm and FP32 both ran; empty without any series.
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
