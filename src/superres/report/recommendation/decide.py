"""The front of a target's arms, the arm to ship under a wish, and whether INT8 is worth it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from superres.csv_rows import Row
from superres.device.timing.ratios import Ratio
from superres.models.settings import is_baseline
from superres.report import labels
from superres.report.metrics.cautions import FAR_OFF
from superres.report.recommendation.candidates import Candidate, find_candidates

LEAST_GAIN = 1.05
"""A gain counts when its 95% interval lies above this."""

DEFAULT_LOSS_DB = 0.1
"""The loss that is allowed without a wish [dB]."""

SAME_DB = 0.01
"""Losses that differ by less than this are the same [dB]."""

_MUCH = 0.1
"""Share of multiply-adds from which a reason is named."""


@dataclass(frozen=True)
class Wish:
    """What the arm to ship must reach: at least `fps` and `psnr_db`, at most `loss_db`.

    With `own_psnr_db`, losses are those on pictures where the best FP32 has this PSNR, not on the clips.
    """

    fps: float | None = None
    loss_db: float | None = None
    psnr_db: float | None = None
    own_psnr_db: float | None = None

    def or_default(self) -> "Wish":
        """Return the wish itself, or the default without any."""
        none = (self.fps, self.loss_db, self.psnr_db) == (None, None, None)
        return replace(self, loss_db=DEFAULT_LOSS_DB) if none else self

    def lacks_db(self, arm: Candidate) -> float:
        """Return by how many dB an arm misses the wish; 0 if it doesn't."""
        below = 0.0 if self.psnr_db is None else self.psnr_db - arm.psnr_db
        lost = 0.0 if self.loss_db is None else arm.loss_db - self.loss_db
        return max(0.0, below, lost)

    def fulfilled(self, arm: Candidate) -> bool:
        """Return whether an arm reaches all of it."""
        return self.lacks_db(arm) == 0.0 and (self.fps is None or arm.fps >= self.fps)


@dataclass(frozen=True)
class Guard:
    """INT8 of one network beside its fastest float arm: the gain, what it loses, and why it gains little."""

    model: str
    int8: Candidate
    other: Candidate
    gain: Ratio
    loss_db: float
    reasons: tuple[str, ...]

    @property
    def worth_it(self) -> bool:
        """Whether INT8 is faster beyond doubt."""
        return counts(self.gain)


@dataclass(frozen=True)
class Decision:
    """What a target's figures say of the networks of one scale.

    `place` is the target, with the scale if there are several. `ship` fulfils the wish, and is None if no arm
    does; then `nearest` lacks least of it. Both are None if no network's pictures can be trusted. `front` are
    the arms that no other beats in speed and loss, fastest first: a slower one loses less by `SAME_DB` or
    more. `faulty` have faults in their pictures, and are never chosen. If every arm has, `doubtful` are those
    that are only far off, and these are chosen from: a network that is trained for looks has a lower PSNR
    than bicubic.
    """

    target: str
    scale: int
    place: str
    ship: Candidate | None
    nearest: Candidate | None
    front: tuple[Candidate, ...]
    guards: tuple[Guard, ...]
    faulty: tuple[Candidate, ...]
    doubtful: tuple[Candidate, ...]
    noisy: tuple[Candidate, ...]
    not_run: int


def decide(rows: Sequence[Row], wish: Wish) -> list[Decision]:
    """Decide for each target and scale with networks, from the rows of `metrics.csv`."""
    networks = [row for row in rows if not is_baseline(row["model"])] or rows
    pairs = sorted({(row["target"], row["scale"]) for row in networks})
    several = len({scale for _, scale in pairs}) > 1
    decisions = []
    for target, scale in pairs:
        mine = [row for row in rows if (row["target"], row["scale"]) == (target, scale)]
        place = f"{target} {labels.scale_label(scale)}" if several else target
        decisions.append(_decide(target, scale, place, mine, wish))
    return decisions


def counts(gain: Ratio) -> bool:
    """Return whether a gain counts."""
    return gain.low > LEAST_GAIN


def _decide(target: str, scale: int, place: str, rows: Sequence[Row], wish: Wish) -> Decision:
    arms = find_candidates(rows, wish.own_psnr_db)
    sound = [arm for arm in arms if not arm.faults]
    doubtful = [arm for arm in arms if all(fault.startswith(FAR_OFF) for fault in arm.faults)]
    doubtful = [] if sound else doubtful
    sound = sound or doubtful
    fitting = [arm for arm in sound if wish.fulfilled(arm)]
    return Decision(
        target=target,
        scale=scale,
        place=place,
        ship=_choose(fitting, wish) if fitting else None,
        nearest=_nearest(sound, wish) if sound and not fitting else None,
        front=_front(sound),
        guards=_guards(sound, wish),
        faulty=tuple(arm for arm in arms if arm not in sound),
        doubtful=tuple(doubtful),
        noisy=tuple(arm for arm in arms if arm.noisy),
        not_run=len(
            {(row["runtime"], row["model"], row["precision"]) for row in rows if row["status"] != "ok"}
        ),
    )


def _choose(arms: Sequence[Candidate], wish: Wish) -> Candidate:
    """Return the arm that loses least if a speed is wished for, else the fastest."""
    if wish.fps is not None:
        least = min(arm.loss_db for arm in arms)
        arms = [arm for arm in arms if arm.loss_db < least + SAME_DB]
    return _fastest(arms)


def _nearest(arms: Sequence[Candidate], wish: Wish) -> Candidate:
    """Return the fastest of the arms whose picture lacks least."""
    least = min(wish.lacks_db(arm) for arm in arms)
    return _fastest([arm for arm in arms if wish.lacks_db(arm) == least])


def _fastest(arms: Sequence[Candidate]) -> Candidate:
    """Return the fastest arm, or of those that it gains nothing over, one of least loss, preferably float."""
    first = max(arms, key=lambda arm: (arm.speed, arm.folder))
    level = [arm for arm in arms if arm is first or not counts(first.gain_over(arm))]
    least = min(arm.loss_db for arm in level)
    level = [arm for arm in level if arm.loss_db < least + SAME_DB]
    return min(level, key=lambda arm: (arm.int8, -arm.speed, arm.folder))


def _front(arms: Sequence[Candidate]) -> tuple[Candidate, ...]:
    found: list[Candidate] = []
    for arm in sorted(arms, key=lambda arm: (-arm.speed, arm.loss_db, arm.folder)):
        if not found or arm.loss_db <= found[-1].loss_db - SAME_DB:
            found.append(arm)
    return tuple(found)


def _guards(arms: Sequence[Candidate], wish: Wish) -> tuple[Guard, ...]:
    guards = []
    for model in sorted({arm.model for arm in arms}):
        mine = [arm for arm in arms if arm.model == model]
        int8, floats = [arm for arm in mine if arm.int8], [arm for arm in mine if not arm.int8]
        if int8 and floats:
            best = _choose([arm for arm in int8 if wish.fulfilled(arm)] or int8, wish)
            other = max(floats, key=lambda arm: (arm.speed, arm.folder))
            guards.append(
                Guard(model, best, other, best.gain_over(other), best.loses_over(other), _reasons(best))
            )
    return tuple(guards)


def _reasons(arm: Candidate) -> tuple[str, ...]:
    """Return why an INT8 arm may be slow, as far as its row knows."""
    row = next(iter(arm.timed.values()))
    reasons = []
    quantized, executed = row["quantized_convolutions"], row["int8_convolutions"]
    if quantized and executed is not None and executed < quantized:
        reasons.append(f"{quantized - executed} of {quantized} quantised convolutions run in float")
    if (row["float_share"] or 0) >= _MUCH:
        layers = f" ({row['float_layers']})" if row["float_layers"] else ""
        reasons.append(f"the graph leaves {row['float_share']:.0%} of its multiply-adds in float{layers}")
    if (row["unaligned_share"] or 0) >= _MUCH:
        share = f"{row['unaligned_share']:.0%} of its multiply-adds"
        reasons.append(f"{share} have channels that aren't multiples of 16")
    if "VNNI" in (row["cautions"] or ""):
        reasons.append("the processor has no instructions for INT8 products (VNNI)")
    return tuple(reasons)
