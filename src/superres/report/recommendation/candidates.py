"""Each arm's figures over all clips: the worst loss and the least speed, and its gain over another arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from superres.csv_rows import Row
from superres.device.runtimes.base import runs_int8
from superres.device.timing.ratios import Ratio
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import NOISY, PICTURE_MARKS
from superres.report.metrics.relative import paired


@dataclass(frozen=True)
class Candidate:
    """An arm that ran on all clips.

    `fps` is that of the frame size where it is slowest. So is `speed`, by which arms are ordered: times that
    of the reference if all took turns with one, which holds on a busy machine too. `losses` are the PSNR [dB]
    below the best FP32 of target and scale by clip. `timed` are its rows on the clips that it was timed on.
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


def find_candidates(rows: Sequence[Row]) -> list[Candidate]:
    """Return the networks' arms that ran on every clip, from rows of one target and scale."""
    by_arm: dict[str, list[Row]] = {}
    for row in rows:
        if not is_baseline(row["model"]):
            by_arm.setdefault(labels.arm_folder(row), []).append(row)
    ran = {arm: mine for arm, mine in by_arm.items() if all(row["status"] == "ok" for row in mine)}
    best = _best_fp32([row for mine in ran.values() for row in mine])
    in_turn = all(paired(row) for mine in ran.values() for row in mine)
    return [_candidate(arm, mine, best, "speedup" if in_turn else "fps") for arm, mine in ran.items()]


def _best_fp32(rows: Sequence[Row]) -> dict[str, float]:
    """Return the highest PSNR by clip, of FP32 if it ran there, else of any arm."""
    best: dict[str, float] = {}
    for clip in dict.fromkeys(row["clip"] for row in rows):
        here = [row for row in rows if row["clip"] == clip]
        fp32 = [row for row in here if row["precision"] == "fp32"]
        best[clip] = max(row["psnr_db"] for row in fp32 or here)
    return best


def _candidate(arm: str, rows: Sequence[Row], best: Mapping[str, float], speed: str) -> Candidate:
    # Clips of one frame size share a timing.
    timed = {row["clip"]: row for row in rows if row["timed_on"] == row["clip"]}
    timed = timed or {row["timed_on"]: row for row in rows}
    cautions = [caution for row in rows for caution in (row["cautions"] or "").split("; ") if caution]
    faults = [caution for caution in cautions if caution.startswith(tuple(PICTURE_MARKS))]
    return Candidate(
        folder=arm,
        precision=rows[0]["precision"],
        model=rows[0]["model"],
        fps=min(row["fps"] for row in timed.values()),
        speed=min(row[speed] for row in timed.values()),
        losses={row["clip"]: best[row["clip"]] - row["psnr_db"] for row in rows},
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
