"""Loss against time of all subsets of layers in float: the frontier, and the choice by a budget."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import polars as pl

from superres.csv_rows import write_rows
from superres.device.base.errors import UserError
from superres.quantization.layers.schema import (
    NONE,
    Frontier,
    parse_subset,
    read_subset_losses,
    read_subset_times,
)
from superres.quantization.settings import Mixed

TIME_STEP = 0.01
"""The step that ratios of times are compared in: smaller differences are noise."""

_BUDGETS = {
    "loss_db": ("loses", " dB", "budget_db"),
    "added_mse": ("adds a mean squared error of", "", "budget_mse"),
}
_STATE = ("model", "recipe", "runtime", "runtime_version", "onnx_sha256", "ranges_sha256")


def find_frontier(losses: Path, times: Path, out: Path) -> None:
    """Join losses and times of the same subsets, and mark those that no other subset dominates.

    Raises UserError for files of different models, states or subsets.
    """
    lost, timed = read_subset_losses(losses), read_subset_times(times)
    subsets = lost["float_layers"].to_list()
    if lost.select(_STATE).unique().rows() != timed.select(_STATE).unique().rows() or set(subsets) != {
        *timed["float_layers"]
    }:
        raise UserError(
            f"{times}: expected times of the subsets in {losses}, found those of another state; time them "
            "again"
        )
    if NONE not in subsets:
        raise UserError(f"{losses}: expected a row without layers in float, found none; measure again")
    rounds = timed.pivot("float_layers", index="round", values="milliseconds").sort("round")
    timed_by = {"rounds": rounds.height, "threads": timed["threads"][0]}
    rows = [{**row, **_time_of(rounds, row["float_layers"]), **timed_by} for row in lost.to_dicts()]
    marked = [
        {**row, "on_frontier": on_frontier} for row, on_frontier in zip(rows, frontier(rows), strict=True)
    ]
    columns = Frontier.column_names()
    write_rows(Frontier, [{name: row[name] for name in columns} for row in marked], out)


def _time_of(rounds: pl.DataFrame, subset: str) -> dict[str, float]:
    """Return the times of a subset, as ratios to each round's time with all layers in INT8."""
    ratios = (rounds[subset] / rounds[NONE]).to_list()
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return {
        "time_ratio": middle,
        "time_ratio_q1": low,
        "time_ratio_q3": high,
        "latency_p50_ms": median(rounds[subset].to_list()),
    }


def frontier(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Return for each row whether no other is as low in `time_ratio` and `loss_db`, and lower in one."""

    def dominates(other: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
        pairs = [(other[key], row[key]) for key in ("time_ratio", "loss_db")]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return [not any(dominates(other, row) for other in rows) for row in rows]


def choose_subset(rows: Sequence[Mapping[str, Any]], settings: Mixed, path: Path) -> Mapping[str, Any]:
    """Return the row of the cheapest subset that keeps within the budget; `path` is the rows' file.

    Cheapest by time (in steps of TIME_STEP), then by the number of layers in float, then by loss. A subset
    without INT8 is never chosen: that is FP32. Raises UserError, with the least loss, if no subset is within
    the budget.
    """
    some_int8 = [row for row in rows if row["int8_convolutions"] > 0]
    if not some_int8:
        raise UserError(f"{path}: expected a subset of layers with which some run in INT8, found none")
    column, most = settings.budget
    within = [row for row in some_int8 if row[column] <= most]
    if not within:
        best = min(some_int8, key=lambda row: row[column])
        verb, unit, key = _BUDGETS[column]
        raise UserError(
            f"{path}: expected a subset of layers in float that {verb} {most}{unit} at most, found "
            f"{best[column]:.4f}{unit} as the least, with {best['float_layers']} in float; raise "
            f"steps.mixed.{key}, or take another recipe before the step mixed"
        )
    return min(
        within,
        key=lambda row: (
            round(row["time_ratio"] / TIME_STEP),
            len(parse_subset(row["float_layers"])),
            row["loss_db"],
        ),
    )
