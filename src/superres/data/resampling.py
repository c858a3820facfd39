"""Downsampling by a scale, from a high-resolution frame to the low-resolution input of a model.

Output pixel i lies at the middle of the input pixels s i .. s i + s - 1. At the border, pixels are mirrored
with the edge pixel repeated (d c b a | a b c d), as in MATLAB's imresize. Light: a study's keys name the
kernels, so numpy and OpenCV are imported by the functions that need them.
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


# A kernel, how far it reaches, and whether it is stretched by the scale, which avoids aliasing.
_WEIGHTS = {
    "bicubic": (keys_cubic, 2.0, True),
    "bicubic-matlab": (keys_cubic, 2.0, True),
    "area": (lambda _: 1.0, 0.5, True),
    "lanczos": (lanczos3, 3.0, True),
    "bicubic-aliased": (keys_cubic, 2.0, False),
}


@cache
def _taps(kernel: str, scale: int) -> "np.ndarray":
    """Return the weights of the input pixels around the middle of an output pixel.

    Their number is even for even scales, whose middle lies between two pixels, and odd for odd ones.
    """
    import numpy as np

    weigh, reach, stretched = _WEIGHTS[kernel]
    stretch = scale if stretched else 1
    nearest = 0.5 if scale % 2 == 0 else 0.0
    side = math.ceil(reach * stretch - nearest)
    distances = [nearest + i for i in range(side)]
    # A middle pixel is on both sides.
    placed = [-distance for distance in reversed(distances) if distance] + distances
    weights = np.array([weigh(distance / stretch) for distance in placed])
    weights /= weights.sum()
    weights.setflags(write=False)
    return weights


def downsample_float(frame: "np.ndarray", kernel: str, scale: int) -> "np.ndarray":
    """Downsample a frame by a scale s without rounding.

    `frame` is uint8 H x W x 3, H and W multiples of s. The result is float32 H/s x W/s x 3, in levels of 0 to
    255 with overshoots. `kernel` is one of KERNELS: `bicubic` (4s taps, MATLAB imresize's antialiased
    bicubic), `area` (mean of s x s), `lanczos` (6s taps, antialiased) or `bicubic-aliased` (4 taps, not
    stretched); odd scales have one tap less. Here, `bicubic-matlab` equals `bicubic`. At scale 1 nothing
    changes. Raises UserError for an unknown kernel, or a size that is no multiple.
    """
    _check(frame, kernel, scale)
    return reduce_by_filter(frame, _taps(kernel, scale), scale)


def downsample(frame: "np.ndarray", kernel: str, scale: int) -> "np.ndarray":
    """Downsample a frame by a scale s to 8 bits.

    `frame` is uint8 H x W x 3, H and W multiples of s; the result is uint8 H/s x W/s x 3. Values are rounded
    once, at the end, halves to even. `bicubic-matlab` rounds halves up after the columns and again after the
    rows, as MATLAB's imresize does with an 8-bit picture. Kernels and errors: see `downsample_float`.
    """
    import numpy as np

    _check(frame, kernel, scale)
    if kernel == "bicubic-matlab":
        taps, keep, kept = _taps(kernel, scale), np.ones(1), _kept(scale)
        reduced = _to_levels(np.floor(_filter(frame, keep, taps)[kept] + 0.5))
        return _to_levels(np.floor(_filter(reduced, taps, keep)[:, kept] + 0.5))
    return _to_levels(np.rint(downsample_float(frame, kernel, scale)))


def reduce_by_filter(frame: "np.ndarray", taps: "np.ndarray", scale: int) -> "np.ndarray":
    """Downsample a frame (uint8 H x W x 3) by a scale with a symmetric filter, in float32.

    The filter's length is even for an even scale, odd for an odd one.
    """
    return _filter(frame, taps, taps)[_kept(scale), _kept(scale)]


def _kept(scale: int) -> slice:
    """Return the places of the output pixels' middles in the result of `_filter`."""
    return slice((scale - 1) // 2, None, scale)


def _check(frame: "np.ndarray", kernel: str, scale: int) -> None:
    if kernel not in KERNELS:
        raise UserError(f"downsampling: expected one of {', '.join(KERNELS)}, found {kernel!r}")
    height, width = frame.shape[:2]
    if height % scale or width % scale:
        raise UserError(
            f"downsampling: expected multiples of {scale} as width and height, found {width}x{height}; "
            "crop the frame"
        )


def _filter(frame: "np.ndarray", across: "np.ndarray", down: "np.ndarray") -> "np.ndarray":
    """Filter in both directions, in float32; a value between two pixels is at the first."""
    import cv2

    anchor = ((len(across) - 1) // 2, (len(down) - 1) // 2)
    return cv2.sepFilter2D(frame, cv2.CV_32F, across, down, anchor=anchor, borderType=cv2.BORDER_REFLECT)


def _to_levels(whole: "np.ndarray") -> "np.ndarray":
    import numpy as np

    return np.clip(whole, 0, 255, out=whole).astype(np.uint8)
