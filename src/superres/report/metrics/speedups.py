"""How many times as fast an arm is as the reference, default PyTorch, and FP32 in the same runtime."""

from collections.abc import Mapping, Sequence
from typing import Any

from superres.csv_rows import Row
from superres.device.timing.ratios import SAME, Ratio

OVER_REFERENCE, OVER_PYTORCH, OVER_FP32 = "speedup", "speedup_pytorch", "speedup_fp32"


def find_speedups(row: Row, rows: Sequence[Row]) -> dict[str, Ratio | None]:
    """The three ratios of an arm that ran, None where there is nothing to divide by.

    Only the first is of one run; the others divide two ratios to the same reference, each of one run.
    """
    own = paired(row)
    over = {OVER_REFERENCE: own}
    for name, base in (
        (OVER_PYTORCH, {"runtime": "pytorch", "precision": "fp32"}),
        (OVER_FP32, {"precision": "fp32"}),
    ):
        other = _find(rows, {**{key: row[key] for key in ("target", "clip", "model", "runtime")}, **base})
        theirs = paired(other) if other else None
        ratio = own.over(theirs) if own and theirs else None
        # Against itself an arm has no error.
        over[name] = SAME if ratio and other is row else ratio
    return over


def paired(row: Row) -> Ratio | None:
    """An arm's ratio to the reference that it was timed in turn with."""
    if row["speedup"] is None:
        return None
    return Ratio(row["speedup"], row["speedup_low"], row["speedup_high"])


def paper_speedups(fps: Mapping[tuple[str, str, str], float]) -> dict[tuple[str, str, str, str], float]:
    """The paper's FPS (by model, runtime, precision) over its PyTorch FP32 and over the runtime's FP32."""
    found = {}
    for (model, runtime, precision), value in fps.items():
        for name, base in ((OVER_PYTORCH, "pytorch"), (OVER_FP32, runtime)):
            if (model, base, "fp32") in fps:
                found[name, model, runtime, precision] = value / fps[model, base, "fp32"]
    return found


def _find(rows: Sequence[Row], wanted: Mapping[str, Any]) -> Row | None:
    fitting = (
        r for r in rows if r["status"] == "ok" and all(r[key] == value for key, value in wanted.items())
    )
    return next(fitting, None)
