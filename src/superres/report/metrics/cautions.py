"""Reasons to distrust an arm's figures: a busy machine, unwanted arithmetic, a wrong picture.

INT8 engines with wrong colours are a known fault (NVIDIA/TensorRT issues 1187 and 3978). Figures alone can't
tell such a fault from a loss. An arm gets a caution if it is worse than bicubic or far below FP32. It also
gets one if sums of its INT8 products can overflow on its machine: they may on other pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from superres.csv_rows import Row
from superres.device.base.words import counted
from superres.device.frames.psnr import psnr
from superres.device.machine.facts import INT8_FLAGS, adds_in_16_bits
from superres.device.runtimes.base import runs_int8
from superres.models.settings import is_baseline
from superres.report.metrics.operations import Operations, executed_convolutions
from superres.report.metrics.relative import fp32_of, loss_of
from superres.report.metrics.speed import processor_of

_MOST_OF_LIMIT = 1.05
NOISY = "noisy: "
"""Start of cautions about other work on the machine."""

NOISE_MARK = "~"
"""Mark after the FPS of such an arm."""

FAR_OFF = "far off: "
"""Start of cautions about a picture."""

FAR_MARK = "!"
"""Mark after the PSNR of such an arm."""

SATURATED = "saturated: "
"""Start of cautions about levels that a picture doesn't reach, or reaches too often."""

SATURATED_MARK = "^"
"""Mark after the PSNR of such an arm."""

SHIFTED = "shifted: "
"""Start of cautions about a colour that is brighter or darker than in FP32."""

SHIFTED_MARK = "±"
"""Mark after the PSNR of such an arm."""

CHECKERED = "checkered: "
"""Start of cautions about a checkerboard."""

CHECKERED_MARK = "#"
"""Mark after the PSNR of such an arm."""

OVERFLOWING = "overflowing: "
"""Start of cautions about sums of INT8 products that a processor can't hold."""

OVERFLOWING_MARK = "§"
"""Mark after the PSNR of such an arm."""

_ONE_LEVEL_DB = psnr(1.0)
_LEVELS = 5
"""Levels that white may be darker, or black brighter, than in FP32."""

_SHIFT = 1.0
"""Levels that the mean of a colour may differ from that of FP32."""

_CHECKERBOARD = 1.0
"""Levels that the pixels of one LR pixel may differ, on average, beyond those of FP32."""

_SHARE = 0.01
"""Share of values that may be saturated beyond that of FP32."""

_COLOURS = {"shift_r": "red", "shift_g": "green", "shift_b": "blue"}

_JUDGED_BY = "psnr_of_mean_db"
_LOOK = "look at the arm's sample before its figures"


@dataclass(frozen=True)
class NoiseLimits:
    """Limits above which a timing is noisy: 90th percentile / median, and processors busy with other work."""

    spread: float
    busy_processors: float


def find_cautions(
    row: Row,
    engine: Mapping[str, Any],
    latency: Mapping[str, Any],
    operations: Operations | None,
    noise: NoiseLimits,
) -> list[str]:
    """Return all cautions about an arm's speed.

    `row` holds its metrics; `engine` and `latency` are the records of its tasks.
    """
    return [
        *(NOISY + reason for reason in _noise(row, latency, noise)),
        *_timing(latency),
        *_arithmetic(row["precision"], engine.get("facts", {}), operations),
        *_memory(engine.get("facts", {})),
        *_processor(row, engine.get("facts", {}), latency, operations),
    ]


def _noise(row: Row, latency: Mapping[str, Any], noise: NoiseLimits) -> list[str]:
    found = []
    spread = row["latency_p90_ms"] / row["latency_p50_ms"]
    if spread > noise.spread:
        found.append(f"the 90th percentile is {spread:.1f} times the median")
    disturbance = latency.get("disturbance") or {}
    busy = sum(disturbance.values())
    if busy > noise.busy_processors:
        found.append(f"{busy:.1f} processors were busy with other work")
    return found


def _timing(latency: Mapping[str, Any]) -> list[str]:
    found = []
    warmup, frames = latency["warmup"], latency["distinct_frames"]
    enough = 2 * latency["settings"]["warmup_frames"]
    if not warmup["settled"] and warmup["frames"] >= enough:
        found.append(f"times had not settled after {counted(warmup['frames'], 'frame')} of warm-up")
    if frames < min(enough, warmup["frames"]):
        found.append(f"the clip has fewer frames ({frames}) than the warm-up took")
    reference = latency.get("reference") or {}
    if reference.get("status", "ok") != "ok":
        found.append(f"no ratio: the reference {reference['label']} did not run ({reference['status']})")
    return found


def _arithmetic(precision: str, facts: Mapping[str, Any], operations: Operations | None) -> list[str]:
    int8, convolutions = executed_convolutions(facts)
    if operations is None or not runs_int8(precision):
        return []
    if int8 is None:
        told = "the runtime doesn't tell in which types its convolutions run"
        return [told] if convolutions or facts.get("inspector") else []
    wanted = operations.quantized_convolutions or operations.convolutions
    return [f"{wanted - int8} of {wanted} quantised convolutions run in float"] if int8 < wanted else []


def _memory(facts: Mapping[str, Any]) -> list[str]:
    memory = facts.get("memory") or {}
    skipped, free = memory.get("skipped_kernels"), memory.get("device_free_bytes")
    if not skipped:
        return []
    told = f", {free / 1e9:.1f} GB were free" if free is not None else ""
    return [
        f"the engine's builder skipped {skipped} kernels for lack of memory{told}: free some, build again"
    ]


def _processor(
    row: Row, facts: Mapping[str, Any], latency: Mapping[str, Any], operations: Operations | None
) -> list[str]:
    found = []
    int8 = runs_int8(row["precision"])
    on_cpu = int8 and processor_of(row["runtime"], facts) == "cpu"
    without = on_cpu and not set(latency["machine"]["flags"]) & INT8_FLAGS
    if without:
        found.append(
            "this processor has no instructions for INT8 products (VNNI): INT8 gains less speed than with "
            "them"
        )
    if on_cpu and operations is not None:
        found += overflow_cautions(latency["machine"], operations.overflowing)
    if not int8 and facts.get("native") is False:
        found.append(f"this processor has no {row['precision']} instructions and emulates them slowly")
    if (row["limit_fraction"] or 0) > _MOST_OF_LIMIT:
        found.append(
            "faster than the limit, which is that of matrix products: without VNNI, convolutions are faster"
            if without
            else "faster than the limit, which was measured on a busy machine: measure the roofline again"
        )
    return found


def overflow_cautions(machine: Mapping[str, Any], layers: int) -> list[str]:
    """Return the caution about sums of INT8 products that this machine can't hold, in so many layers."""
    if not layers or not adds_in_16_bits(machine):
        return []
    return [
        f"{OVERFLOWING}two products in {counted(layers, 'layer')} can exceed the 16 bits in which this "
        "processor adds them: take int8-tuned, or reducerange with adaround behind it"
    ]


def with_doubts(rows: Sequence[Row], far_db: float) -> list[dict[str, Any]]:
    """Return the rows of `metrics.csv` or `evaluation.csv` with cautions about pictures.

    A picture is far off if its PSNR is below that of bicubic at its scale on the same clip, preferably on the
    same target, or more than `far_db` below that of `fp32_of`. This PSNR is that of the mean squared error,
    where an exact frame weighs nothing: bicubic makes each black frame exact, which says nothing of a
    network. An error below one level is never far off. A picture is saturated if it lacks the white or black
    that FP32 reaches, or has more of its values there. It is shifted or checkered if its colours or phases
    differ from FP32's.
    """
    return [_judged(row, rows, far_db) for row in rows]


def marks(row: Row) -> str:
    """Return the marks after the PSNR of an arm; empty without cautions about its picture."""
    found = row["cautions"] or ""
    return "".join(mark for start, mark in PICTURE_MARKS.items() if start in found)


PICTURE_MARKS = {
    FAR_OFF: FAR_MARK,
    SATURATED: SATURATED_MARK,
    SHIFTED: SHIFTED_MARK,
    CHECKERED: CHECKERED_MARK,
    OVERFLOWING: OVERFLOWING_MARK,
}
"""The mark of each kind of caution about a picture."""

MEANINGS = {
    FAR_OFF: "worse than bicubic, or far below FP32",
    SATURATED: "white or black that isn't reached, or too often",
    SHIFTED: "a colour brighter or darker than in FP32",
    CHECKERED: "neighbouring pixels differ as in a checkerboard",
    OVERFLOWING: "INT8 sums can overflow on this processor",
}
"""What each kind says of a picture."""


def _judged(row: Row, rows: Sequence[Row], far_db: float) -> dict[str, Any]:
    if row["status"] != "ok" or is_baseline(row["model"]):
        return dict(row)
    cautions = [*filter(None, [row.get("cautions")]), *_far_off(row, rows, far_db)]
    if (fp32 := fp32_of(row, rows)) is not None:
        cautions += [*_saturated(row, fp32), *_shifted(row, fp32), *_checkered(row, fp32)]
    return {**row, "cautions": "; ".join(cautions) or None}


def _far_off(row: Row, rows: Sequence[Row], far_db: float) -> list[str]:
    own = row[_JUDGED_BY]
    if own >= _ONE_LEVEL_DB:
        return []
    found = []
    bicubic = _bicubic_of(row, rows)
    if bicubic is not None and own < bicubic:
        found.append(f"{bicubic - own:.2f} dB below bicubic")
    lost = loss_of(row, rows, _JUDGED_BY)
    if lost is not None and lost > far_db:
        found.append(f"{lost:.2f} dB below FP32")
    return [f"{FAR_OFF}{' and '.join(found)} in PSNR of the mean error, {_LOOK}"] if found else []


def _saturated(row: Row, fp32: Row) -> list[str]:
    found = []
    if fp32["brightest"] - row["brightest"] > _LEVELS:
        found.append(f"its brightest level is {row['brightest']}, that of FP32 {fp32['brightest']}")
    if row["darkest"] - fp32["darkest"] > _LEVELS:
        found.append(f"its darkest level is {row['darkest']}, that of FP32 {fp32['darkest']}")
    if row["saturated"] - fp32["saturated"] > _SHARE:
        found.append(f"{row['saturated']:.1%} of its values are 0 or 255, {fp32['saturated']:.1%} of FP32's")
    return [f"{SATURATED}{' and '.join(found)}"] if found else []


def _shifted(row: Row, fp32: Row) -> list[str]:
    shifts = {colour: row[key] - fp32[key] for key, colour in _COLOURS.items()}
    found = [f"{colour} by {shift:+.1f}" for colour, shift in shifts.items() if abs(shift) > _SHIFT]
    return [f"{SHIFTED}{', '.join(found)} levels against FP32"] if found else []


def _checkered(row: Row, fp32: Row) -> list[str]:
    own, usual = row["checkerboard"], fp32["checkerboard"]
    found = f"neighbouring pixels differ by {own:.1f} levels on average, by {usual:.1f} in FP32"
    return [f"{CHECKERED}{found}"] if own - usual > _CHECKERBOARD else []


def _bicubic_of(row: Row, rows: Sequence[Row]) -> float | None:
    found = {
        other["target"]: other[_JUDGED_BY]
        for other in rows
        if is_baseline(other["model"])
        and (other["scale"], other["clip"], other["status"]) == (row["scale"], row["clip"], "ok")
    }
    return found.get(row["target"], next(iter(found.values()), None))
