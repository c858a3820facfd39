"""PSNR as the paper and as the super-resolution literature define it, from exact sums of squared errors.

Eq. 1: PSNR = -10 log10(SSE / (255^2 H W 3)) over R, G and B.
Eq. 2: PSNR_Y = -10 log10(SSE_Y / (255^2 H W)) over luma (BT.601, full range):
Y = 0.299 R + 0.587 G + 0.114 B.

The literature takes the luma of MATLAB's rgb2ycbcr (BT.601, studio swing) with the same peak of 255 and
leaves a border out: Y = (65.481 R + 128.553 G + 24.966 B) / 255 + 16, whose offset cancels in a difference.

An error of 0 has no finite PSNR. `psnr` is the only place that decides what it counts: CAP_DB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from superres.device.base.errors import UserError
from superres.device.base.words import counted

if TYPE_CHECKING:
    import numpy as np

# Products of two differences are at most 255^2; sums of up to 258 of them stay below 2^24, where float32
# still holds every integer. So each column of a block is summed exactly, and at the speed of float32.
_ROWS = 256
_COLUMNS = 768
_BLOCK = _ROWS * _COLUMNS
# Whole-number weights of R, G and B, and their common divisor.
_LUMAS: dict[str, tuple[tuple[int, int, int], int]] = {
    "full-range": ((299, 587, 114), 1_000),
    "studio-swing": ((65_481, 128_553, 24_966), 255_000),
}
LUMAS = tuple(_LUMAS)
_OFFSETS = {"full-range": 0.0, "studio-swing": 16.0}

CAP_DB = 60.0
"""The PSNR of an exact frame [dB], and the most that any frame counts: 6 x 8 bits + 12, as in libvmaf.

So a black frame, which any network gets right, weighs no more than a very good one.
"""


@dataclass(frozen=True)
class PsnrProtocol:
    """The settings of PSNR: one of LUMAS, and the number of HR pixels ignored at each side.

    Raises UserError for an unknown luma.
    """

    luma: str
    border: int

    def __post_init__(self) -> None:
        if self.luma not in LUMAS:
            raise UserError(f"quality: expected {' or '.join(LUMAS)} as luma, found {self.luma!r}")


PAPER = PsnrProtocol("full-range", 0)


def literature(scale: int) -> PsnrProtocol:
    """Return the protocol of the super-resolution literature, whose border is as wide as the scale."""
    return PsnrProtocol("studio-swing", scale)


def mean_squared_errors(
    hr: np.ndarray, recon: np.ndarray, protocol: PsnrProtocol = PAPER
) -> tuple[float, float]:
    """Mean squared errors between two frames inside the border: over R, G, B, and over unrounded luma.

    Both are uint8 H x W x 3, RGB. Raises ValueError if the shapes or types differ, or if the border leaves
    nothing.
    """
    height, width = inside_border(hr, protocol).shape[:2]
    total, total_y = squared_errors(
        inside_border(hr, protocol), inside_border(recon, protocol), protocol.luma
    )
    return total / (height * width * 3), total_y / (height * width)


def inside_border(frame: np.ndarray, protocol: PsnrProtocol) -> np.ndarray:
    """Return a frame without the protocol's border; raises ValueError if nothing is left."""
    border = protocol.border
    height, width = (size - 2 * border for size in frame.shape[:2])
    if height < 1 or width < 1:
        raise ValueError(
            f"expected frames larger than a border of {counted(border, 'pixel')} at each side, found "
            f"{frame.shape[1]}x{frame.shape[0]}"
        )
    return frame[border : border + height, border : border + width]


def luma_weights(luma: str) -> tuple[list[float], float]:
    """Return the weights of R, G and B and the offset of a luma, one of LUMAS, in 8-bit levels."""
    weights, unit = _LUMAS[luma]
    return [weight / unit for weight in weights], _OFFSETS[luma]


def squared_errors(hr: np.ndarray, recon: np.ndarray, luma: str = PAPER.luma) -> tuple[int, float]:
    """Sums of squared errors between two frames: over R, G, B, and over unrounded luma, one of LUMAS.

    Both are uint8 H x W x 3, RGB. The first sum is an exact integer in 8-bit levels squared; the second
    is exact up to one rounding to float64. Raises ValueError if the shapes or types differ.
    """
    frames = all(x.dtype == "uint8" and x.ndim == 3 and x.shape[2] == 3 for x in (hr, recon))
    if not frames or hr.shape != recon.shape:
        raise ValueError(
            f"expected two uint8 frames H x W x 3 of one size, found {hr.dtype} {hr.shape} "
            f"and {recon.dtype} {recon.shape}"
        )
    rr, gg, bb, rg, gb, rb = _products(hr.reshape(-1), recon.reshape(-1))
    (r, g, b), unit = _LUMAS[luma]
    total_y = r * r * rr + g * g * gg + b * b * bb + 2 * (r * g * rg + g * b * gb + r * b * rb)
    return rr + gg + bb, total_y / unit**2


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error in 8-bit levels: at most CAP_DB.

    An exact frame, whose error is 0, counts CAP_DB.
    """
    return CAP_DB if mse == 0 else min(CAP_DB, 10 * math.log10(255 * 255 / mse))


def _products(hr: np.ndarray, recon: np.ndarray) -> list[int]:
    """Sums over all pixels of products of the differences: RR, GG, BB, RG, GB, RB, exact.

    Interleaved pixels are multiplied by themselves shifted by 0, 1 and 2 places. Memory is read
    in order; products that mix two pixels fall into unused columns.
    """
    import numpy as np

    level = np.empty(_BLOCK, np.int16)
    difference = np.zeros(_BLOCK + 2, np.float32)
    sums = np.zeros((3, _COLUMNS), np.int64)
    for start in range(0, hr.size, _BLOCK):
        count = min(_BLOCK, hr.size - start)
        np.subtract(
            hr[start : start + count], recon[start : start + count], out=level[:count], dtype=np.int16
        )
        difference[:count] = level[:count]
        difference[count:] = 0
        rows = difference[:_BLOCK].reshape(_ROWS, _COLUMNS)
        for shift in range(3):
            shifted = difference[shift : shift + _BLOCK].reshape(_ROWS, _COLUMNS)
            sums[shift] += np.einsum("ij,ij->j", rows, shifted).astype(np.int64)
    by_shift_and_channel = sums.reshape(3, -1, 3).sum(axis=1)
    (rr, gg, bb), (rg, gb, _), (rb, _, _) = by_shift_and_channel.tolist()
    return [rr, gg, bb, rg, gb, rb]
