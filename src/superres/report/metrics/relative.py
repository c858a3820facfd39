"""An arm's figures relative to other arms: PSNR lost against FP32, and speedups."""

from collections.abc import Mapping, Sequence
from typing import Any

from superres.csv_rows import Row
from superres.device.timing.ratios import SAME, Ratio

_SAME = ("target", "model", "clip")
OVER_REFERENCE, OVER_PYTORCH, OVER_FP32 = "speedup", "speedup_pytorch", "speedup_fp32"


def find_speedups(row: Row, rows: Sequence[Row]) -> dict[str, Ratio | None]:
    """Return an arm's speedups over the reference, default PyTorch FP32 and its runtime's FP32.

    A ratio is None without the other arm. The first was measured in one run; the others divide two
    ratios to the same reference.
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
        # The ratio of an arm to itself has no error.
        over[name] = SAME if ratio and other is row else ratio
    return over


def paired(row: Row) -> Ratio | None:
    """Return an arm's ratio to the reference that took turns with it; None without one."""
    if row["speedup"] is None:
        return None
    return Ratio(row["speedup"], row["speedup_low"], row["speedup_high"])


def paper_speedups(fps: Mapping[tuple[str, str, str], float]) -> dict[tuple[str, str, str, str], float]:
    """Divide the paper's FPS (by model, runtime, precision) by its PyTorch FP32 and its runtime's FP32."""
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


def fp32_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the FP32 row of the same target, model and clip; None without one.

    The same runtime is preferred; otherwise the first runtime that ran it.
    """
    found = [
        other
        for other in rows
        if all(other[key] == row[key] for key in _SAME)
        and (other["precision"], other["status"]) == ("fp32", "ok")
    ]
    own = (other for other in found if other["runtime"] == row["runtime"])
    return next(own, found[0] if found else None)


def loss_of(row: Row, rows: Sequence[Row], key: str) -> float | None:
    """Return how much lower than FP32 a row's figure `key` is [dB]; None if either did not run."""
    fp32 = fp32_of(row, rows)
    return None if fp32 is None or row["status"] != "ok" else fp32[key] - row[key]
