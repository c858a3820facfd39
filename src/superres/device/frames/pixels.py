"""Convert uint8 frames to float32 planes and back, blocks of pixels to frames, and double frames."""

from concurrent.futures import Executor
from typing import Optional

import numpy as np

# Rows that are converted at a time, few enough that the intermediate values stay in the cache.
_ROWS = 16

# Keys' cubic kernel with a = -0.5 at the distances 1.75, 0.75, 0.25, 1.25 from an even output pixel; for an
# odd one in reverse. Multiples of 1/128: the float32 sums below are exact, and rounding is the only error.
_TAPS = np.array([-3, 29, 111, -9]) / 128


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


def from_blocks(blocks: np.ndarray, frame: np.ndarray) -> None:
    """Write uint8 `blocks` H x W x C, C at least 12, into a uint8 `frame` 2H x 2W x 3.

    Channel 6i + 3j + c of a block is colour c of the pixel in row i and column j of its
    four; channels after the twelfth are ignored, and C is even. Both arrays are
    contiguous. Two pixels are copied as three pairs of bytes, for which numpy has
    fast loops (0.8 ms for 1080 x 1920; six bytes at a time take 1.5 ms).
    """
    height, width, channels = blocks.shape
    source = blocks.view(np.uint16).reshape(height, width, channels // 2)[:, :, :6]
    pairs = source.reshape(height, width, 2, 3)
    target = frame.reshape(height, 2, 6 * width).view(np.uint16).reshape(height, 2, width, 3)
    for k in range(3):
        np.copyto(target[..., k], pairs[..., k].transpose(0, 2, 1))


def upscale_bicubic(frame: np.ndarray, out: Optional[np.ndarray] = None) -> np.ndarray:
    """Double a frame: Keys' kernel with a = -0.5, borders mirrored, rounded once (halves to even).

    uint8 H x W x 3 to uint8 2H x 2W x 3, written into `out` if it is given. Torch's and OpenCV's own bicubic
    have a = -0.75 and repeat the border. Keys, "Cubic convolution interpolation for
    digital image processing", 1981, Eq. 15.
    """
    import cv2

    height, width, _ = frame.shape
    if out is None:
        out = np.empty((2 * height, 2 * width, 3), np.uint8)
    for y, rows in enumerate((_TAPS, _TAPS[::-1])):
        for x, columns in enumerate((_TAPS, _TAPS[::-1])):
            levels = cv2.sepFilter2D(
                frame, cv2.CV_32F, columns, rows, anchor=(2 - x, 2 - y), borderType=cv2.BORDER_REFLECT
            )
            np.rint(levels, out=levels)
            out[y::2, x::2] = np.clip(levels, 0, 255, out=levels)
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
