"""The grids of tensors: the real values that levels of int8 or uint8 stand for."""

from dataclasses import dataclass

import numpy as np

from superres.device.base.conventions import INT8_MAX, UINT8_MAX
from superres.quantization.ranges.record import Ranges, TensorRange


@dataclass(frozen=True)
class Grid:
    """A value x is stored as clip(round(x / scale) + zero_point): int8 or uint8 by the zero-point's type.

    `scale` is float32. With one value per output channel, scale and zero-point are vectors.
    """

    scale: np.ndarray
    zero_point: np.ndarray


def symmetric_grid(amax: float | np.ndarray, levels: int = INT8_MAX) -> Grid:
    """Return int8 around 0: scale amax / levels, for a scalar or a value per channel.

    A channel whose scale is below the smallest normal float gets scale 1: its values are stored as zeros.
    """
    scale = (np.asarray(amax, np.float64) / levels).astype(np.float32)
    # Below the smallest normal float a quotient x / scale is meaningless.
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale)
    return Grid(scale, np.zeros(scale.shape, np.int8))


def asymmetric_grid(low: float | None, high: float | None, amax: float) -> Grid:
    """Return uint8 over the measured [low, high], limited to [-amax, amax] and widened to hold 0.

    The end of larger magnitude is amax itself: a method may go beyond the measured values. Without a
    measurement (None) the range is [-amax, amax].
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


def weight_grid(weights: np.ndarray, ranges: Ranges, name: str, axis: int = 0) -> Grid:
    """Return the grid of finite weights O x I x kh x kw of the initializer `name`: per channel, or one.

    The output channels of a matrix may be along another `axis`. Its range is `ranges.weight_amax`, or the
    largest magnitude of each channel (of all channels).
    """
    if name in ranges.weight_amax:
        amax = np.asarray(ranges.weight_amax[name], np.float64)
        return symmetric_grid(amax[0] if ranges.weights == "per-tensor" else amax, ranges.weight_levels)
    channels = np.abs(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)).max(axis=1)
    reach = channels.max() if ranges.weights == "per-tensor" else channels
    return symmetric_grid(reach, ranges.weight_levels)


def activation_grid(tensor: TensorRange, ranges: Ranges) -> Grid:
    """Return the grid of a tensor that a convolution reads."""
    if ranges.activation == "asymmetric":
        return asymmetric_grid(tensor.min, tensor.max, tensor.amax)
    return symmetric_grid(tensor.amax)
