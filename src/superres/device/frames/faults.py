"""Faults that PSNR hides: shifted colours, a checkerboard of the upscaled pixels, saturated values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

# Rows of LR pixels at a time: they stay in the cache, and int16 holds their sums (16 x 255).
_ROWS = 16


class Faults(NamedTuple):
    """Figures of one picture.

    `shift_r`, `shift_g`, `shift_b`: mean of the picture minus HR, in levels. `checkerboard`: an LR pixel
    becomes s x s pixels, whose places are phases; the largest difference between the mean errors of two
    phases of one colour, in levels. `saturated`: share of values that are 0 or 255.
    """

    shift_r: float
    shift_g: float
    shift_b: float
    checkerboard: float
    saturated: float


def find_faults(hr: np.ndarray, upscaled: np.ndarray, scale: int) -> Faults:
    """Return the figures of an upscaled picture beside HR, both uint8 H x W x 3 of one size.

    Sums are whole numbers, so the figures are the same on every machine. Rows and columns beyond a multiple
    of `scale` are ignored.
    """
    import numpy as np

    height, width = (size - size % scale for size in hr.shape[:2])
    sums = np.zeros((scale, 3 * width), np.int64)
    saturated = 0
    for start in range(0, height, _ROWS * scale):
        stop = min(start + _ROWS * scale, height)
        block = upscaled[start:stop, :width]
        errors = np.subtract(block, hr[start:stop, :width], dtype=np.int16)
        sums += errors.reshape(-1, scale, 3 * width).sum(axis=0, dtype=np.int16)
        saturated += int(np.count_nonzero(block == 0)) + int(np.count_nonzero(block == 255))
    phases = sums.reshape(scale, width // scale, scale, 3).sum(axis=1)
    means = phases * (scale * scale / (height * width))
    spread = means.max(axis=(0, 1)) - means.min(axis=(0, 1))
    red, green, blue = (phases.sum(axis=(0, 1)) / (height * width)).tolist()
    return Faults(red, green, blue, float(spread.max()), saturated / (height * width * 3))
