"""From ranges to the grids of INT8 that values are rounded to."""

from dataclasses import dataclass

import numpy as np

from superres.device.base.int8 import INT8_MAX, UINT8_MAX


@dataclass(frozen=True)
class Grid:
    """A value x is stored as clip(round(x / scale) + zero_point): int8 or uint8 by the zero-point's type.

    `scale` is float32 and, with one value per output channel, a vector; so is `zero_point` then.
    """

    scale: np.ndarray
    zero_point: np.ndarray


def symmetric_grid(amax: float | np.ndarray) -> Grid:
    """int8 around 0: scale amax / 127, for a scalar or for a value per channel.

    A channel whose scale is below the smallest normal float gets scale 1: its values are stored as zeros.
    """
    scale = (np.asarray(amax, np.float64) / INT8_MAX).astype(np.float32)
    # Below the smallest normal float a quotient x / scale says nothing.
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale)
    return Grid(scale, np.zeros(scale.shape, np.int8))


def asymmetric_grid(low: float | None, high: float | None, amax: float) -> Grid:
    """uint8 over what was seen, [low, high], limited to [-amax, amax] and widened to hold 0.

    The end whose magnitude is the larger one is amax itself, so that a method may go beyond what was seen.
    Where nothing was measured (None) it is [-amax, amax].
    """
    if low is None or high is None:
        low, high = -amax, amax
    reaching = max(-low, high)
    bottom = -amax if -low == reaching else max(low, -amax)
    top = amax if high == reaching else min(high, amax)
    bottom, top = min(bottom, 0.0), max(top, 0.0)
    scale = np.float32((top - bottom) / UINT8_MAX)
    zero_point = np.clip(np.rint(-bottom / np.float64(scale)), 0, UINT8_MAX)
    return Grid(np.asarray(scale), np.asarray(zero_point, np.uint8))
