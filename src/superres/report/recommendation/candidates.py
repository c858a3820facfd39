"""Each arm's figures over all clips: the worst loss and the least speed, and its gain over another arm."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from superres.csv_rows import Row
from superres.device.runtimes.base import runs_int8
from superres.device.timing.ratios import Ratio
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import NOISY, PICTURE_MARKS
from superres.report.metrics.relative import fp32_of, paired, squared_error

WITHOUT_FP32 = "no FP32 of its network ran on this target: what it adds to FP32's error isn't known"
"""The fault of an arm whose loss on other pictures can't be found."""


@dataclass(frozen=True)
class Candidate:
    """An arm that ran on all clips.

    `fps` is that of the frame size where it is slowest. So is `speed`, by which arms are ordered: times that
    of the reference if all took turns with one, which holds on a busy machine too. `losses` are the PSNR [dB]
    below the best FP32 of target and scale by clip, there or on the user's own pictures: see `_own_loss`.
    `timed` are its rows on the clips that it was timed on.
    """

    folder: str
    precision: str
    model: str
    fps: float
    speed: float
    losses: Mapping[str, float]
    psnr_db: float
    faults: tuple[str, ...]
    noisy: bool
    timed: Mapping[str, Row]

    @property
    def loss_db(self) -> float:
        """The loss on the clip where it is largest."""
        return max(self.losses.values())

    @property
    def worst_clip(self) -> str:
        """That clip."""
        return max(self.losses, key=lambda clip: self.losses[clip])

    @property
    def int8(self) -> bool:
        """Whether it computes in INT8."""
        return runs_int8(self.precision)

    @property
    def label(self) -> str:
        """Its name in words."""
        return labels.arm_label(self.folder)

    def loses_over(self, other: "Candidate") -> float:
        """Return the PSNR [dB] below that of another arm, on the clip where this is most."""
        return max(loss - other.losses[clip] for clip, loss in self.losses.items())

    def gain_over(self, other: "Candidate") -> Ratio:
        """Return how many times as fast as another arm it is, on frames of the size where this is least."""
        return min(
            (_gain(row, other.timed[clip]) for clip, row in self.timed.items() if clip in other.timed),
            key=lambda ratio: ratio.low,
        )


def find_candidates(rows: Sequence[Row], own_psnr_db: float | None = None) -> list[Candidate]:
    """Return the networks' arms that ran on every clip, from rows of one target and scale.

    Losses are those on pictures where the best FP32 has `own_psnr_db`; by default, on the clips themselves.
    """
    by_arm: dict[str, list[Row]] = {}
    for row in rows:
        if not is_baseline(row["model"]):
            by_arm.setdefault(labels.arm_folder(row), []).append(row)
    ran = {arm: mine for arm, mine in by_arm.items() if all(row["status"] == "ok" for row in mine)}
    best = _best_fp32([row for mine in ran.values() for row in mine])
    in_turn = all(paired(row) for mine in ran.values() for row in mine)
    speed = "speedup" if in_turn else "fps"
    of_network: dict[str, list[Row]] = {}
    for row in rows:
        of_network.setdefault(row["model"], []).append(row)

    def loss_of(row: Row) -> float:
        if own_psnr_db is None:
            return best[row["clip"]] - row["psnr_db"]
        return _own_loss(row, of_network[row["model"]], best[row["clip"]], squared_error(own_psnr_db))

    return [_candidate(arm, mine, [loss_of(row) for row in mine], speed) for arm, mine in ran.items()]


def _own_loss(row: Row, of_network: Sequence[Row], best_db: float, own: float) -> float:
    """Return the PSNR [dB] that an arm loses on pictures where the best FP32 has the squared error `own`.

    Its network's FP32 loses there what it loses on the row's clip, where the best FP32 has `best_db`. To that
    the arm adds the same squared error, or none if it has less than FP32: that may be chance. For the best
    network this is 10 log10(1 + added / own). NaN without FP32 of the network.
    """
    fp32 = fp32_of(row, of_network)
    if fp32 is None:
        return math.nan
    return 10 * math.log10(10 ** ((best_db - fp32["psnr_db"]) / 10) + max(0.0, row["added_mse"]) / own)


def _best_fp32(rows: Sequence[Row]) -> dict[str, float]:
    """Return the highest PSNR by clip, of FP32 if it ran there, else of any arm."""
    best: dict[str, float] = {}
    for clip in dict.fromkeys(row["clip"] for row in rows):
        here = [row for row in rows if row["clip"] == clip]
        fp32 = [row for row in here if row["precision"] == "fp32"]
        best[clip] = max(row["psnr_db"] for row in fp32 or here)
    return best


def _candidate(arm: str, rows: Sequence[Row], losses: Sequence[float], speed: str) -> Candidate:
    # Clips of one frame size share a timing.
    timed = {row["clip"]: row for row in rows if row["timed_on"] == row["clip"]}
    timed = timed or {row["timed_on"]: row for row in rows}
    found = [(row["clip"], each) for row in rows for each in (row["cautions"] or "").split("; ") if each]
    cautions = [caution for _, caution in found]
    where = " ({})" if len(rows) > 1 else ""
    kinds = tuple(PICTURE_MARKS)
    faults = [caution + where.format(clip) for clip, caution in found if caution.startswith(kinds)]
    faults += [WITHOUT_FP32] if any(map(math.isnan, losses)) else []
    return Candidate(
        folder=arm,
        precision=rows[0]["precision"],
        model=rows[0]["model"],
        fps=min(row["fps"] for row in timed.values()),
        speed=min(row[speed] for row in timed.values()),
        losses={row["clip"]: loss for row, loss in zip(rows, losses, strict=True)},
        psnr_db=min(row["psnr_db"] for row in rows),
        faults=tuple(dict.fromkeys(faults)),
        noisy=any(caution.startswith(NOISY) for caution in cautions),
        timed=timed,
    )


def _gain(row: Row, other: Row) -> Ratio:
    """Return the ratio of two arms' speeds, from their turns with one reference.

    Without a reference, it is that of their FPS, between those of one's 90th percentile and the other's
    median.
    """
    own, theirs = paired(row), paired(other)
    if own and theirs and row["reference"] == other["reference"]:
        return own.over(theirs)
    value = row["fps"] / other["fps"]
    low, high = (each["latency_p50_ms"] / each["latency_p90_ms"] for each in (row, other))
    return Ratio(value, value * low, value / high)
