"""Convert uint8 frames to float32 planes and back, blocks of pixels to frames, and enlarge frames."""

from concurrent.futures import Executor
from typing import Optional

import numpy as np

# Rows that are converted at a time, few enough that the intermediate values stay in the cache.
_ROWS = 16

# Pixels on each side of a pixel that the bicubic kernel reads.
_RADIUS = 2


def to_planes(frame: np.ndarray, planes: np.ndarray) -> None:
    """Write a uint8 frame H x W x 3 into float32 `planes` 1 x 3 x H x W, range 0 to 1."""
    np.divide(frame.transpose(2, 0, 1), np.float32(255), out=planes[0])


def to_pixels(planes: np.ndarray, frame: np.ndarray, pool: Optional[Executor] = None, parts: int = 1) -> None:
    """Write float32 `planes` 1 x 3 x H x W into a uint8 `frame` H x W x 3.

    Range 0 to 1 becomes 0 to 255, rounded to nearest, values outside limited. With a
    `pool`, the rows are shared out in `parts`.
    """
    height = frame.shape[0]
    if pool is None or parts == 1:
        _convert_rows(planes, frame, 0, height)
        return
    bounds = [height * part // parts for part in range(parts + 1)]
    jobs = [pool.submit(_convert_rows, planes, frame, *pair) for pair in zip(bounds[1:-1], bounds[2:])]
    _convert_rows(planes, frame, bounds[0], bounds[1])
    for job in jobs:
        job.result()


def from_blocks(blocks: np.ndarray, frame: np.ndarray, scale: int) -> None:
    """Write uint8 `blocks` H x W x C, C at least 3 s s, into a uint8 `frame` sH x sW x 3, s the `scale`.

    Channel 3 s i + 3 j + c of a block is colour c of the pixel in row i and column j of its s x s; further
    channels are ignored, and C is a multiple of the largest power of two in s. Both arrays are contiguous.
    Bytes are copied in words of that size, for which numpy has fast loops (0.8 ms for 1080 x 1920 at scale
    2; six bytes at a time take 1.5 ms).
    """
    height, width, channels = blocks.shape
    word = scale & -scale
    kind = np.dtype(f"u{word}")
    parts = 3 * scale // word
    source = blocks.view(kind).reshape(height, width, channels // word)[:, :, : scale * parts]
    rows = source.reshape(height, width, scale, parts)
    target = frame.reshape(height, scale, 3 * scale * width).view(kind).reshape(height, scale, width, parts)
    for k in range(parts):
        np.copyto(target[..., k], rows[..., k].transpose(0, 2, 1))


def bicubic_taps(scale: int) -> np.ndarray:
    """Return the weights s x 5, float64, of the pixels at -2 .. 2 for each of s sub-pixels of a pixel.

    Keys' cubic kernel with a = -0.5 ("Cubic convolution interpolation for digital image processing", 1981,
    Eq. 15); sub-pixel i lies (i + 0.5) / s - 0.5 beside its pixel.
    """
    centres = (np.arange(scale) + 0.5) / scale - 0.5
    near = np.abs(np.arange(-_RADIUS, _RADIUS + 1) - centres[:, None])
    inner = 1.5 * near**3 - 2.5 * near**2 + 1
    outer = -0.5 * near**3 + 2.5 * near**2 - 4 * near + 2
    return np.where(near < 1, inner, np.where(near < 2, outer, 0.0))


def enlarge_bicubic(frame: np.ndarray, scale: int, out: Optional[np.ndarray] = None) -> np.ndarray:
    """Enlarge a frame: Keys' kernel with a = -0.5, borders mirrored, rounded once (halves to even).

    uint8 H x W x 3 to uint8 sH x sW x 3, written into `out` if it is given. Torch's and OpenCV's own bicubic
    have a = -0.75 and repeat the border. At scales 1 and 2, sums in float32 are exact.
    """
    import cv2

    height, width, _ = frame.shape
    if out is None:
        out = np.empty((scale * height, scale * width, 3), np.uint8)
    taps = bicubic_taps(scale)
    for y, rows in enumerate(taps):
        for x, columns in enumerate(taps):
            levels = cv2.sepFilter2D(frame, cv2.CV_32F, columns, rows, borderType=cv2.BORDER_REFLECT)
            np.rint(levels, out=levels)
            out[y::scale, x::scale] = np.clip(levels, 0, 255, out=levels)
    return out


def _convert_rows(planes: np.ndarray, frame: np.ndarray, first: int, end: int) -> None:
    levels = np.empty((_ROWS, frame.shape[1]), np.float32)
    for start in range(first, end, _ROWS):
        stop = min(start + _ROWS, end)
        block = levels[: stop - start]
        for channel in range(3):
            np.multiply(planes[0, channel, start:stop], np.float32(255), out=block)
            np.rint(block, out=block)
            np.maximum(block, 0, out=block)
            np.minimum(block, 255, out=block)
            np.copyto(frame[start:stop, :, channel], block, casting="unsafe")
