"""Ratios of speeds with intervals, from rounds in which two arms took turns."""

import math
from dataclasses import dataclass
from statistics import median
from typing import Optional, Sequence

CONFIDENCE = 0.95
OWN, REFERENCE = "own", "reference"
"""Names in `latency.csv` of the arm and of the one timed in turn with it."""


@dataclass(frozen=True)
class Ratio:
    """The ratio of two arms' speeds, with an interval that holds it with `CONFIDENCE`."""

    value: float
    low: float
    high: float

    def over(self, other: "Ratio") -> "Ratio":
        """Return this arm's ratio to another, both timed in turn with the same third.

        The two runs are independent: logarithms of their errors add up as squares.
        """
        value = self.value / other.value
        down = math.hypot(math.log(self.value / self.low), math.log(other.high / other.value))
        up = math.hypot(math.log(self.high / self.value), math.log(other.value / other.low))
        return Ratio(value, value * math.exp(-down), value * math.exp(up))


SAME = Ratio(1.0, 1.0, 1.0)


def block_cost(end_to_end_ms: Sequence[float], interval_ms: Sequence[Optional[float]]) -> float:
    """Return a block's ms per frame: the median end to end, or the mean interval if frames are in flight."""
    intervals = [each for each in interval_ms if each is not None]
    return sum(intervals) / len(intervals) if intervals else median(end_to_end_ms)


def median_ratio(ratios: Sequence[float]) -> Ratio:
    """Return the median of rounds' ratios, with a distribution-free interval of order statistics.

    The k-th smallest and k-th largest of n values miss the median with twice the probability of fewer than
    k heads in n coin tosses; k is the largest for which that stays within 1 - CONFIDENCE. With fewer than 6
    values no pair is so wide: then it is the smallest and the largest. The values are independent, and their
    number may not depend on them.
    """
    ordered = sorted(ratios)
    n = len(ordered)
    missed, k = 0.5**n, 1
    while k < n // 2 and missed + math.comb(n, k) * 0.5**n <= (1 - CONFIDENCE) / 2:
        missed += math.comb(n, k) * 0.5**n
        k += 1
    return Ratio(median(ordered), ordered[k - 1], ordered[n - k])
