"""Notes below tables about marks and cautions: what was measured, what it allows to conclude, what to do."""

from collections.abc import Sequence

from superres.csv_rows import Row
from superres.device.base.words import counted
from superres.device.frames.psnr import CAP_DB
from superres.report import labels
from superres.report.metrics.cautions import (
    CHECKERED,
    FAR_MARK,
    FAR_OFF,
    NOISE_MARK,
    NOISY,
    OVERFLOWING,
    PICTURE_MARKS,
    SATURATED,
    SHIFTED,
)

KINDS = (NOISY, *PICTURE_MARKS)


def caution_notes(rows: Sequence[Row], samples: Sequence[str]) -> list[str]:
    """Return a note for each kind of caution about arms that ran, and for each other caution.

    `samples` are the names of pictures that show a detail of each clip.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        for caution in filter(None, (row["cautions"] or "").split("; ")):
            kind = next((kind for kind in KINDS if caution.startswith(kind)), caution)
            found.setdefault(kind, []).append(row)
    several = len({row["clip"] for row in rows}) > 1
    return [_note(kind, cautious, samples, several) for kind, cautious in found.items()]


def _note(kind: str, rows: Sequence[Row], samples: Sequence[str], several: bool) -> str:
    if kind == NOISY:
        return busy_note(rows)
    clip = " on {clip}" if several and kind in PICTURE_MARKS else ""
    names = [labels.arm_label(labels.arm_folder(row)) + clip.format(**row) for row in rows]
    arms = ", ".join(dict.fromkeys(names))
    if kind == FAR_OFF:
        look = " and ".join(f"`plots/{name}.png`" for name in samples) or "`sample*.npy` in the arm's folder"
        return (
            f"`{FAR_MARK}`: the picture is worse than bicubic, or far below FP32. It may be a fault such as "
            f"wrong colours: look at {look} before the figures. {arms}."
        )
    if kind in _EXPLAINED:
        return f"`{PICTURE_MARKS[kind]}`: {_EXPLAINED[kind]} {arms}."
    return f"Caution, {kind}: {arms}."


_EXPLAINED = {
    SATURATED: (
        "white is darker, or black brighter, than in FP32, or more of the picture is at them: the ranges of "
        "INT8 are too narrow, or sums overflow. `brightest`, `darkest` and `saturated` have the figures."
    ),
    SHIFTED: (
        "a colour is brighter or darker than in FP32 on average. `shift_r`, `shift_g` and `shift_b` have the "
        "levels."
    ),
    CHECKERED: (
        "neighbouring pixels differ in brightness, as in a checkerboard, more than in FP32. `checkerboard` "
        "has the levels."
    ),
    OVERFLOWING: (
        "this processor adds two INT8 products in 16 bits (x86 without VNNI), which can overflow with the "
        "arm's weights: its picture is wrong, or may be on others. Take int8-tuned, or the step reducerange "
        "with adaround behind it."
    ),
}


def busy_note(rows: Sequence[Row]) -> str:
    """Return how busy the machine was while these arms were timed, what holds, and how to time again."""
    count = len({labels.arm_folder(row) for row in rows})
    busy = [row["other_processors"] for row in rows if row["other_processors"] is not None]
    spreads = [row["latency_p90_ms"] / row["latency_p50_ms"] for row in rows]
    work = f"other work took {_range(busy, '.1f')} processors meanwhile, and " if busy else ""
    return (
        f"`{NOISE_MARK}`: the machine was busy while {counted(count, 'arm')} ran: {work}the 90th "
        f"percentile is {_range(spreads, '.2f')} times the median. FPS and the share of the limit are lower "
        "bounds there: on a quiet machine both are higher. Ratios to the reference hold within their "
        "intervals, since both took turns under the same load. To time again on a quiet machine, repeat the "
        f"command with `--forcerun {_timing_rules(rows)}` behind the target."
    )


def _timing_rules(rows: Sequence[Row]) -> str:
    """Return the rules that time arms again; those of devices have names of their own."""
    ends = sorted({"" if row["target"] == "local" else "_on_device" for row in rows})
    return " ".join(f"{rule}{end}" for end in ends for rule in ("measure_roofline", "measure_latency"))


def _range(values: Sequence[float], form: str) -> str:
    least, most = format(min(values), form), format(max(values), form)
    return least if least == most else f"{least} to {most}"


def exact_note(rows: Sequence[Row], count: str) -> list[str]:
    """Return how exact frames count; `count` is the column with the number of frames."""
    found = [row for row in rows if row["exact_frames"]]
    rule = f"A frame counts at most {CAP_DB:g} dB, as in libvmaf, and so does one without any error"
    if not found:
        return [f"{rule}."]
    most = max(found, key=lambda row: row["exact_frames"])
    arms = f"{counted(len(found), 'arm')} {'has' if len(found) == 1 else 'have'}"
    return [
        f"{rule}. {arms} such frames, at most {most['exact_frames']} of {most[count]}: means over them "
        "are pulled to that figure, and PSNR of the mean error is not. `exact_frames` has the numbers."
    ]
