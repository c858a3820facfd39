"""A fine histogram of a tensor's magnitudes, whose range doubles by merging bins."""

import math
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

BINS = 1 << 18
"""Bins over a power-of-two range that holds all magnitudes: a bin is at most 2^-17 of the largest one."""

# Below this every value falls into the first bin; the factor to bins is still a float32.
_LEAST_EXPONENT = -100
# Values that one thread bins at a time: its arrays fit into the CPU's cache.
_BLOCK = 1 << 19


@dataclass(frozen=True)
class Statistics:
    """The extremes of each channel of a tensor, and a histogram of the magnitudes of all its values.

    `lows` and `highs` are float32, one a channel. `counts` (int64, BINS) covers [0, 2^exponent); bin i holds
    the |x| in [i, i + 1) * width. The order of values and the number of threads don't matter.
    """

    lows: np.ndarray
    highs: np.ndarray
    exponent: int
    counts: np.ndarray

    @property
    def low(self) -> float:
        """Least value."""
        return float(self.lows.min())

    @property
    def high(self) -> float:
        """Largest value."""
        return float(self.highs.max())

    @property
    def amax(self) -> float:
        """Largest magnitude, exact."""
        return max(abs(self.low), abs(self.high))

    @property
    def width(self) -> float:
        """Width of a bin."""
        return 2.0**self.exponent / BINS

    @property
    def total(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    def beyond(self, amax: float) -> float:
        """Return the share of the values that are larger than `amax`, of those that aren't zero.

        The bin of `amax` doesn't count. The first bin counts as zeros, which every range holds.
        """
        first = math.floor(amax / self.width) + 1
        return int(self.counts[first:].sum()) / max(int(self.counts[1:].sum()), 1)


def measure(
    values: np.ndarray, lows: np.ndarray, highs: np.ndarray, pool: Executor, workers: int
) -> Statistics:
    """Return statistics of finite float32 values of any shape, binned in `workers` parts by a pool.

    `lows` and `highs` are their extremes, one a channel.
    """
    # frexp: 2^(exponent - 1) <= amax < 2^exponent.
    amax = max(abs(float(lows.min())), abs(float(highs.max())))
    exponent = max(math.frexp(amax)[1], _LEAST_EXPONENT)
    parts = np.array_split(values.reshape(-1), workers)
    counts = sum(pool.map(partial(_count, exponent=exponent), parts), np.zeros(BINS, np.int64))
    return Statistics(lows, highs, exponent, counts)


def merge(one: Statistics, other: Statistics) -> Statistics:
    """Return statistics of the values of both, exactly those of one pass over all."""
    exponent = max(one.exponent, other.exponent)
    counts = widen(one, exponent).counts + widen(other, exponent).counts
    lows, highs = np.minimum(one.lows, other.lows), np.maximum(one.highs, other.highs)
    return Statistics(lows, highs, exponent, counts)


def widen(seen: Statistics, exponent: int) -> Statistics:
    """Return the same over a larger range [0, 2^exponent); exact: the edges of wider bins are edges too."""
    doublings = min(exponent - seen.exponent, int(math.log2(BINS)))
    if doublings == 0:
        return seen
    merged = seen.counts.reshape(-1, 1 << doublings).sum(axis=1)
    counts = np.concatenate([merged, np.zeros(BINS - merged.size, np.int64)])
    return Statistics(seen.lows, seen.highs, exponent, counts)


def _count(values: np.ndarray, exponent: int) -> np.ndarray:
    counts = np.zeros(BINS, np.int64)
    # A power of two: the product is exact, and the bin is the floor of the true quotient.
    factor = np.float32(2.0 ** (int(math.log2(BINS)) - exponent))
    scaled, indices = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.intp)
    for block in _blocks(values):
        part, index = scaled[: block.size], indices[: block.size]
        np.abs(block, out=part)
        np.multiply(part, factor, out=part)
        index[:] = part
        counts += np.bincount(index, minlength=BINS)
    return counts


def _blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, values.size, _BLOCK):
        yield values[start : start + _BLOCK]
