"""An arm's figures relative to other arms: PSNR lost and squared error added against FP32, and speedups."""

import math
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


def squared_error(psnr_db: float) -> float:
    """Return the mean squared error of a PSNR, in levels squared; at most, for a PSNR at its cap."""
    return 255**2 / 10 ** (psnr_db / 10)


def added_error(psnr_db: float, fp32_db: float) -> float:
    """Return the mean squared error that an arm adds to FP32's, in levels squared; below 0 if it has less."""
    return squared_error(psnr_db) - squared_error(fp32_db)


def added_mse(row: Row, rows: Sequence[Row]) -> float | None:
    """Return `added_error` of a row over its `fp32_of`, over R, G and B; None if either did not run.

    INT8's depends less on the picture than the loss in dB, which is 10 log10(1 + added / FP32's error).
    """
    fp32 = fp32_of(row, rows)
    if fp32 is None or row["status"] != "ok":
        return None
    return added_error(row["psnr_of_mean_db"], fp32["psnr_of_mean_db"])


def added_levels(added: float | None) -> float | None:
    """Return the root of an added squared error, in levels of 8 bits; None unless it is positive."""
    return math.sqrt(added) if added is not None and added > 0 else None


def with_added(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows of `metrics.csv` or `evaluation.csv` with the columns of the added error."""
    added = [added_mse(row, rows) for row in rows]
    return [
        {**row, "added_mse": error, "added_levels": added_levels(error)}
        for row, error in zip(rows, added, strict=True)
    ]


def describe_added(added: float) -> str:
    """Return an added squared error with its root in levels, such as `5.31 (2.3)`; alone if not positive."""
    levels = added_levels(round(added, 2))
    return f"{round(added, 2) + 0.0:.2f}" + (f" ({levels:.1f})" if levels else "")
