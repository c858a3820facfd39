"""What a precision loses against FP32, from rows of `evaluation.csv`."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def fp32_of(row: Row, rows: Sequence[Row], key: str) -> float | None:
    """The figure `key` of the same model and clip in FP32: in the same runtime, or else in the first that ran it."""
    found = {
        other["runtime"]: other[key]
        for other in rows
        if (other["model"], other["clip"], other["precision"]) == (row["model"], row["clip"], "fp32")
        and other["status"] == "ok"
    }
    return found.get(row["runtime"], next(iter(found.values()), None))


def loss_of(row: Row, rows: Sequence[Row], key: str) -> float | None:
    """FP32 less the figure `key` of a row [dB]; None if the row did not run or nothing ran in FP32."""
    reference = fp32_of(row, rows, key)
    return None if reference is None or row["status"] != "ok" else reference - row[key]
