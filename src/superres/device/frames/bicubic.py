"""Bicubic interpolation as MATLAB's imresize does it, which is the literature's baseline."""

from typing import Optional

import cv2
import numpy as np

# Keys' cubic kernel with a = -0.5 at the distances 1.75, 0.75, 0.25, 1.25 from an even output pixel; for an
# odd one in reverse. Multiples of 1/128: the float32 sums below are exact, and rounding is the only error.
_TAPS = np.array([-3, 29, 111, -9]) / 128


def upscale_bicubic(frame: np.ndarray, out: Optional[np.ndarray] = None) -> np.ndarray:
    """Double a frame: Keys' kernel with a = -0.5, borders mirrored, rounded once (halves to even).

    uint8 H x W x 3 to uint8 2H x 2W x 3, written into `out` if it is given. Torch's and OpenCV's own bicubic
    have a = -0.75 and repeat the border. Keys, "Cubic convolution interpolation for
    digital image processing", 1981, Eq. 15.
    """
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
