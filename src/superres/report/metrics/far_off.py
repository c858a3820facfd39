"""Pictures that are far off: worse than bicubic, or far from what the same model gives in FP32.

INT8 engines with wrong colours are a known fault (NVIDIA/TensorRT issues 1187 and 3978), and a table of figures alone doesn't
tell a fault from a loss.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from superres.report.metrics.losses import loss_of

FAR_OFF = "far off: "
"""How the cautions begin that are about a picture."""

FAR_MARK = "!"
"""What stands behind PSNR of such an arm."""

_BASELINE = "bicubic"
_LOOK = "look at the arm's sample before its figures"


def with_far_off(rows: Sequence[Mapping[str, Any]], far_db: float) -> list[dict[str, Any]]:
    """The rows of `metrics.csv` with a caution more for each arm whose PSNR is below that of bicubic on the same
    clip, or more than `far_db` below FP32's of the same model on it.

    Bicubic is that of the same target, or of any if it has none; FP32 is that of the same runtime, or of the first that ran it.
    """
    return [_judged(row, rows, far_db) for row in rows]


def _judged(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], far_db: float) -> dict[str, Any]:
    if row["status"] != "ok" or row["model"] == _BASELINE:
        return dict(row)
    found = []
    bicubic = _bicubic_of(row, rows)
    if bicubic is not None and row["psnr_db"] < bicubic:
        found.append(f"{bicubic - row['psnr_db']:.2f} dB below bicubic")
    lost = loss_of(row, rows, "psnr_db")
    if lost is not None and lost > far_db:
        found.append(f"{lost:.2f} dB below FP32")
    if not found:
        return dict(row)
    caution = f"{FAR_OFF}{' and '.join(found)}, {_LOOK}"
    return {**row, "cautions": "; ".join(filter(None, [row.get("cautions"), caution]))}


def _bicubic_of(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float | None:
    found = {
        other["target"]: other["psnr_db"]
        for other in rows
        if (other["model"], other["clip"], other["status"]) == (_BASELINE, row["clip"], "ok")
    }
    return found.get(row["target"], next(iter(found.values()), None))
