"""SSIM of luma: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", 2004, as in ssim_index.m.

Gaussian window of 11 x 11, sigma 1.5, K1 0.01, K2 0.03, L 255, windows that lie inside the frame only. With
s = x + y and d = x - y of the two lumas, and means and variances under the window, Eq. 13 becomes

SSIM = (1 - 2 mean(d)^2 / (mean(s)^2 + mean(d)^2 + 2 C1)) (1 - 2 var(d) / (var(s) + var(d) + 2 C2)).

So float32 is exact enough: the difference itself is filtered, not found as a difference of large numbers.

numpy alone: filters are products with band matrices, block by block in the cache. That is as fast as OpenCV's
filters and works on a device without OpenCV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from superres.device.frames.psnr import PsnrProtocol, inside_border, luma_weights

if TYPE_CHECKING:
    import numpy as np

WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
# Rows and columns of a block of results.
_ROWS, _COLUMNS = 54, 96
# Sums of two lumas are at most 510: around their middle, squares lose fewer digits.
_MIDDLE = 255.0
DECIMALS = 6
"""What is left of a frame's mean in float32, whatever the order of a product's sums."""


def ssim_y(hr: np.ndarray, recon: np.ndarray, protocol: PsnrProtocol) -> float | None:
    """Return the mean SSIM of luma between two uint8 frames H x W x 3 (RGB), inside the protocol's border.

    Rounded to `DECIMALS`. None if the window doesn't fit into the frame.
    """
    import numpy as np

    one, other = inside_border(hr, protocol), inside_border(recon, protocol)
    height, width = (size - WINDOW + 1 for size in one.shape[:2])
    if height < 1 or width < 1:
        return None
    weights, offset = luma_weights(protocol.luma)
    levels = np.array(weights, np.float32)
    down, across = _band(_ROWS), np.ascontiguousarray(_band(_COLUMNS).T)
    total = 0.0
    for top in range(0, height, _ROWS):
        rows = min(_ROWS, height - top)
        seen = slice(top, top + rows + WINDOW - 1)
        x, y = (frame[seen].astype(np.float32) @ levels for frame in (one, other))
        moments = _moments(x, y, np.float32(2 * offset - _MIDDLE))
        filtered = down[:rows, : rows + WINDOW - 1] @ moments.reshape(len(x), -1)
        for left in range(0, width, _COLUMNS):
            columns = min(_COLUMNS, width - left)
            band = across[: columns + WINDOW - 1, :columns]
            starts = (left + part * x.shape[1] for part in range(4))
            total += _sum_of_map(*(filtered[:, k : k + columns + WINDOW - 1] @ band for k in starts))
    return round(total / (height * width), DECIMALS)


def _band(size: int) -> np.ndarray:
    """Return the matrix (size x size + 10) that filters a column of size + 10 values with the window."""
    import numpy as np

    window = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * _SIGMA**2))
    matrix = np.zeros((size, size + WINDOW - 1), np.float32)
    for row in range(size):
        matrix[row, row : row + WINDOW] = window / window.sum()
    return matrix


def _moments(x: np.ndarray, y: np.ndarray, shift: np.float32) -> np.ndarray:
    """Return s, shifted to around zero, d, and their squares, H x 4 x W."""
    import numpy as np

    moments = np.empty((x.shape[0], 4, x.shape[1]), np.float32)
    np.add(x, y, out=moments[:, 0])
    moments[:, 0] += shift
    np.subtract(x, y, out=moments[:, 1])
    np.multiply(moments[:, :2], moments[:, :2], out=moments[:, 2:])
    return moments


def _sum_of_map(s: np.ndarray, d: np.ndarray, ss: np.ndarray, dd: np.ndarray) -> float:
    """Return the sum of SSIM over a block, from the filtered moments, which it overwrites."""
    import numpy as np

    ss -= s * s
    d *= d
    dd -= d
    ss += dd
    ss += np.float32(2 * _C2)
    dd /= ss
    s += np.float32(_MIDDLE)
    s *= s
    s += d
    s += np.float32(2 * _C1)
    d /= s
    result = (1 - 2 * d) * (1 - 2 * dd)
    return float(result.sum(dtype=np.float64))
