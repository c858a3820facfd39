"""What a precision loses against FP32 [dB], from rows of `metrics.csv` or `evaluation.csv`."""

from collections.abc import Sequence

from superres.csv_rows import Row

_SAME = ("target", "model", "clip")


def fp32_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row that a loss is counted from: FP32 of the same model and clip on the same target.

    It is that of the same runtime, or else of the first that ran it there; None if none did.
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
    """FP32 less the figure `key` of a row [dB]; None if either did not run."""
    fp32 = fp32_of(row, rows)
    return None if fp32 is None or row["status"] != "ok" else fp32[key] - row[key]
