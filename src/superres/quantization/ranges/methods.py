"""From the statistics of a tensor to its symmetric range [-amax, amax].

Each method is a function of its name. All read one fine histogram (`superres.quantization.ranges.histogram`)
and share one pass over the images. No library here does this: onnxruntime's entropy calibrator, with its
default of 128 bins for 128 levels, returns min-max for any data; its calibrators keep the activations of all
images in memory; and it has none for the squared error.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from superres.device.base.conventions import INT8_MAX
from superres.quantization.ranges.histogram import BINS, Statistics
from superres.quantization.settings import CalibrationSettings

ENTROPY_BINS = 2048
ENTROPY_LEVELS = 128
MSE_RANGES = 8192


@dataclass(frozen=True)
class Choice:
    """The largest magnitude of a range; `note` explains a surprising one."""

    amax: float
    note: str | None = None


def minmax(seen: Statistics, settings: CalibrationSettings) -> Choice:
    """Return the largest magnitude, exact."""
    return Choice(seen.amax)


def percentile(seen: Statistics, settings: CalibrationSettings) -> Choice:
    """Return the magnitude that `settings.percentile` percent of all values, zeros included, don't exceed.

    The exact value is the smallest |x| whose rank is at least percentile / 100 * number of values. The
    result is the upper edge of its bin, or the largest magnitude if less: above the exact value by one bin
    at most, 2^-17 of the largest magnitude.
    """
    total = seen.total
    share = Fraction(str(settings.percentile)) / 100
    cumulative = np.cumsum(seen.counts)
    index = int(np.searchsorted(cumulative, math.ceil(share * total)))
    amax = min((index + 1) * seen.width, seen.amax)
    below, within = int(cumulative[index] - seen.counts[index]), int(cumulative[index])
    if amax == seen.amax:
        reach = f"{100 * (total - below) / total:.3g} % of the values reach it"
        return Choice(amax, f"the largest magnitude, as in min-max: {reach}")
    # The next common percentiles have a tenth and ten times as many values beyond.
    if total - within <= (1 - share) * total / 10 or total - below >= (1 - share) * total * 10:
        first, last = 100 * below / total, 100 * within / total
        return Choice(
            amax, f"the range of every percentile from {first:.6f} to {last:.6f}: one value's share"
        )
    return Choice(amax)


def entropy(seen: Statistics, settings: CalibrationSettings) -> Choice:
    """Return the range of TensorRT's entropy calibration: its 128 levels tell most about 2048 bins.

    S. Migacz, "8-bit Inference with TensorRT", GTC 2017, pseudocode: for each i from 128 to 2048, P is the
    first i bins of |x| with everything beyond added to the last one, Q the same bins without that, merged
    into 128 levels and spread out again over the bins that aren't empty; the range is (i + 1/2) bins for the
    least KL divergence of Q from P. Bin k belongs to level floor(128 k / i). As in NVIDIA's
    pytorch-quantization, the first bin gets the count of the second: after a ReLU it holds all zeros, which
    every range represents exactly. Of equal divergences the widest range wins.

    The pseudocode's `range(128, 2048)` leaves 2048 out. TensorRT includes it: its caches often have the scale
    3c010a14, which is 2048.5 / 2048 / 127, for tensors that reach 1.0.

    The 2048 bins are made of whole fine ones: at an edge between two, up to 1/64 of a bin's width counts on
    the wrong side.
    """
    bins = _coarse_bins(seen)
    bins[0] = bins[1]
    beyond = np.append(np.cumsum(bins[::-1])[::-1], 0.0)
    sizes = range(ENTROPY_LEVELS, ENTROPY_BINS + 1)
    # The last is finite: its last bin holds the largest magnitude.
    divergences = [_divergence(bins[:size], beyond[size]) for size in sizes]
    best = ENTROPY_BINS - int(np.argmin(divergences[::-1]))
    return Choice((best + 0.5) * seen.amax / ENTROPY_BINS)


def mse(seen: Statistics, settings: CalibrationSettings) -> Choice:
    """Return the range with the least mean squared error of rounding to 127 levels and clipping.

    It is the best of 8192 equally spaced ranges up to the largest magnitude, the widest of equals. The error
    is that of x - s * clip(round(x / s), -127, 127) with s = range / 127. Each value counts as the middle of
    its bin, at most 2^-18 of the largest magnitude away.
    """
    used = int(np.flatnonzero(seen.counts)[-1]) + 1
    middles = np.arange(used) + 0.5
    counts = seen.counts[:used].astype(np.float64)
    moments = np.stack([counts, counts * middles, counts * middles**2])
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(moments, axis=1)], axis=1)
    # All in units of a bin's width.
    largest = seen.amax / seen.width
    ranges = largest * np.arange(1, MSE_RANGES + 1) / MSE_RANGES
    errors = np.array([_squared_error(sums, step) for step in ranges / INT8_MAX])
    best = MSE_RANGES - 1 - int(np.argmin(errors[::-1]))
    if best == MSE_RANGES - 1:
        return Choice(
            seen.amax, "the largest magnitude, as in min-max: every narrower range has a larger error"
        )
    return Choice(seen.amax * (best + 1) / MSE_RANGES)


def _coarse_bins(seen: Statistics) -> np.ndarray:
    """Return counts in 2048 bins over [0, amax], float64; the middle of a fine bin decides."""
    middles = (np.arange(BINS) + 0.5) * seen.width
    index = np.minimum((middles * (ENTROPY_BINS / seen.amax)).astype(np.intp), ENTROPY_BINS - 1)
    return np.bincount(index, weights=seen.counts, minlength=ENTROPY_BINS)


def _divergence(bins: np.ndarray, beyond: float) -> float:
    """Return the KL divergence of the quantised bins from the bins with all beyond added; both normalised."""
    size = len(bins)
    if bins[-1] == 0 and beyond > 0:
        # P has values where Q has none.
        return math.inf
    reference = bins.copy()
    reference[-1] += beyond
    filled = bins > 0
    # Ceiling of size * level / 128: the first bin of every level.
    starts = -(-size * np.arange(ENTROPY_LEVELS) // ENTROPY_LEVELS)
    lengths = np.diff(starts, append=size)
    sums = np.add.reduceat(bins, starts)
    shares = np.maximum(np.add.reduceat(filled.astype(np.int64), starts), 1)
    candidate = np.repeat(sums / shares, lengths)[filled]
    p, q = reference[filled] / reference.sum(), candidate / bins.sum()
    return float(np.sum(p * np.log(p / q)))


def _squared_error(sums: np.ndarray, step: float) -> float:
    """Return the squared error of a step, from running sums of count, first and second moment over bins."""
    levels = np.arange(INT8_MAX + 1)
    # Number of bins with their middle below the upper edge of each level; the last level takes the rest.
    ends = np.clip(np.ceil((levels[:-1] + 0.5) * step - 0.5), 0, sums.shape[1] - 1).astype(np.intp)
    cuts = np.concatenate([[0], ends, [sums.shape[1] - 1]])
    count, first, second = np.diff(sums[:, cuts], axis=1)
    values = levels * step
    return float(np.sum(second - 2 * values * first + values**2 * count))
