"""How far a network of a fixed size looks, and by which steps its picture may move: both by running it.

Its operators needn't be known: what counts is which pixels change, and whether the picture stays the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Run = Callable[[np.ndarray], np.ndarray]
"""Runs a network: float32 1 x 3 x H x W in [0, 1], of its one size, to 1 x 3 x sH x sW."""

_SAME = 2e-5
"""Values that differ by less are the same: sums in another order."""

_STEPS = 64
_CUTS = (0, 1, 3, 4, 7)
"""Places of a cut from the middle on: a window of the network begins at one of them, or near it."""


@dataclass(frozen=True)
class Reach:
    """What tiles of a network's own size need: the overlap in LR pixels, and the multiple that they begin at.

    `radius` is None if a pixel of the result depends on the whole picture, or on its place in it.
    """

    radius: int | None
    multiple: int


def measure_reach(run: Run, size: tuple[int, int], scale: int) -> Reach:
    """Return the reach of a network that takes pictures of one size (height, width)."""
    sides = [_farthest(run, size, scale, axis) for axis in (0, 1)]
    if None in sides:
        return Reach(None, 1)
    farthest = max(side for side in sides if side is not None)
    multiple = _multiple(run, size, scale, farthest)
    if multiple is None:
        return Reach(None, 1)
    # A pixel at another place in its group may reach farther, by less than a group.
    return Reach(_up(farthest + multiple - 1, multiple), multiple)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _farthest(run: Run, size: tuple[int, int], scale: int, axis: int) -> int | None:
    """Return how many pixels beyond a cut a change is seen; None if it is seen at the picture's end.

    One picture on one side of the cut and another on the other side: each result is that of its own picture,
    but for the pixels that see the other one.
    """
    random = np.random.default_rng(0)
    # Darker and brighter: a mean over the picture shows too.
    first, second = _noise(random, size) - np.float32(0.1), _noise(random, size) + np.float32(0.1)
    of_first, of_second = run(first), run(second)
    farthest = 0
    for cut in {size[axis] // 2 // 8 * 8 + more for more in _CUTS}:
        if not 0 < cut < size[axis]:
            continue
        beyond = np.arange(size[axis]).reshape((-1, 1) if axis == 0 else (1, -1)) >= cut
        result = run(np.where(beyond, first, second))
        above = _changed(result, of_second, scale, axis)
        below = _changed(result, of_first, scale, axis)
        above, below = above[above < cut], below[below >= cut]
        if 0 in above or size[axis] - 1 in below:
            return None
        farthest = max([farthest, *(cut - above), *(below - cut + 1)])
    return int(farthest)


def _changed(result: np.ndarray, other: np.ndarray, scale: int, axis: int) -> np.ndarray:
    """Return the rows or columns of the LR picture where two results differ."""
    different = np.abs(result - other).max(axis=(0, 1, 3 - axis)) > _SAME
    return np.unique(np.nonzero(different)[0] // scale)


def _multiple(run: Run, size: tuple[int, int], scale: int, radius: int) -> int | None:
    """Return the least step by which a picture moves and its inside stays the same; None without one."""
    height, width = size
    large = _noise(np.random.default_rng(1), (height + _STEPS, width + _STEPS))
    still = run(np.ascontiguousarray(large[..., :height, :width]))
    for step in range(1, _STEPS + 1):
        margin = radius + step
        if min(size) <= step + 2 * margin:
            return None
        moved = run(np.ascontiguousarray(large[..., step : step + height, step : step + width]))
        low, high = scale * margin, [scale * (side - step - margin) for side in size]
        inside = moved[..., low : high[0], low : high[1]]
        shift = scale * step
        if (
            np.abs(still[..., low + shift : high[0] + shift, low + shift : high[1] + shift] - inside).max()
            < _SAME
        ):
            return step
    return None


def _noise(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Return a picture of independent pixels, away from black and white, where results are clipped."""
    return random.uniform(0.3, 0.7, (1, 3, *size)).astype(np.float32)
