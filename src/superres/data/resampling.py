"""Downsampling by two, from a high-resolution frame to the low-resolution input of a model.

Output pixel i lies between input pixels 2i and 2i + 1. At the border, pixels are mirrored with the edge pixel
repeated (d c b a | a b c d), as in MATLAB's imresize. Light: a study's keys name the kernels, so numpy and
OpenCV are imported by the functions that need them.
"""

import math
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from superres.device.base.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Downsampling = Literal[
    "bicubic",
    "bicubic-matlab",
    "area",
    "lanczos",
    "bicubic-aliased",
]
KERNELS: tuple[str, ...] = get_args(Downsampling)


def keys_cubic(x: float, a: float = -0.5) -> float:
    """Return the weight of the cubic convolution kernel at distance x.

    Keys, "Cubic convolution interpolation for digital image processing", 1981, Eq. 15, where a is -0.5.
    """
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * (x**3 - 5 * x**2 + 8 * x - 4)
    return 0.0


def lanczos3(x: float) -> float:
    """Return the weight of the three-lobed Lanczos kernel at distance x: sinc(x) sinc(x / 3)."""
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


# A kernel, its stretch and its taps. Stretching it by the factor of reduction avoids aliasing.
_WEIGHTS = {
    "bicubic": (keys_cubic, 2, 8),
    "bicubic-matlab": (keys_cubic, 2, 8),
    "area": (lambda _: 1.0, 2, 2),
    "lanczos": (lanczos3, 2, 12),
    "bicubic-aliased": (keys_cubic, 1, 4),
}


@cache
def _taps(kernel: str) -> "np.ndarray":
    import numpy as np

    weigh, stretch, count = _WEIGHTS[kernel]
    weights = np.array([weigh((i - (count - 1) / 2) / stretch) for i in range(count)])
    weights /= weights.sum()
    weights.setflags(write=False)
    return weights


def downsample_float(frame: "np.ndarray", kernel: str) -> "np.ndarray":
    """Downsample a frame by two without rounding.

    `frame` is uint8 H x W x 3, H and W even. The result is float32 H/2 x W/2 x 3, in levels of 0 to 255 with
    overshoots. `kernel` is one of KERNELS: `bicubic` (8 taps, MATLAB imresize's antialiased bicubic), `area`
    (mean of 2 x 2), `lanczos` (12 taps, antialiased) or `bicubic-aliased` (4 taps, not stretched). Here,
    `bicubic-matlab` equals `bicubic`. Raises UserError for an unknown kernel or an odd size.
    """
    _check(frame, kernel)
    return filter_to_half(frame, _taps(kernel))


def downsample(frame: "np.ndarray", kernel: str) -> "np.ndarray":
    """Downsample a frame by two to 8 bits.

    `frame` is uint8 H x W x 3, H and W even; the result is uint8 H/2 x W/2 x 3. Values are rounded once, at
    the end, halves to even. `bicubic-matlab` rounds halves up after the columns and again after the rows, as
    MATLAB's imresize does with an 8-bit picture. Kernels and errors: see `downsample_float`.
    """
    import numpy as np

    _check(frame, kernel)
    if kernel == "bicubic-matlab":
        taps, keep = _taps(kernel), np.ones(1)
        halved = _to_levels(np.floor(_filter(frame, keep, taps)[::2] + 0.5))
        return _to_levels(np.floor(_filter(halved, taps, keep)[:, ::2] + 0.5))
    return _to_levels(np.rint(downsample_float(frame, kernel)))


def filter_to_half(frame: "np.ndarray", taps: "np.ndarray") -> "np.ndarray":
    """Downsample a frame (uint8 H x W x 3) by two with a symmetric filter of even length, in float32."""
    return _filter(frame, taps, taps)[::2, ::2]


def _check(frame: "np.ndarray", kernel: str) -> None:
    if kernel not in KERNELS:
        raise UserError(f"downsampling: expected one of {', '.join(KERNELS)}, found {kernel!r}")
    height, width = frame.shape[:2]
    if height % 2 or width % 2:
        raise UserError(
            f"downsampling: expected an even width and height, found {width}x{height}; crop the frame"
        )


def _filter(frame: "np.ndarray", across: "np.ndarray", down: "np.ndarray") -> "np.ndarray":
    """Filter in both directions, in float32. The value between pixels 2i and 2i + 1 is at 2i."""
    import cv2

    anchor = (max(len(across) // 2 - 1, 0), max(len(down) // 2 - 1, 0))
    return cv2.sepFilter2D(frame, cv2.CV_32F, across, down, anchor=anchor, borderType=cv2.BORDER_REFLECT)


def _to_levels(whole: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.clip(whole, 0, 255, out=whole).astype(np.uint8)
