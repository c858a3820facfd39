"""Downsampling by the definition of each kernel: one dense matrix per direction, in float64."""

import math

import numpy as np


def _cubic(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


def _box(x: float) -> float:
    return 1.0 if abs(x) <= 0.5 else 0.0


# Kernel, whether it is stretched by the scale, and how far it reaches unstretched.
ORACLES = {
    "bicubic": (_cubic, True, 2.0),
    "bicubic-matlab": (_cubic, True, 2.0),
    "area": (_box, True, 0.5),
    "lanczos": (_lanczos, True, 3.0),
    "bicubic-aliased": (_cubic, False, 2.0),
    "bicubic-swscale": (lambda x: _cubic(x, -0.6), True, 2.0),
    "opencv-area": (_box, True, 0.5),
    "opencv-cubic": (lambda x: _cubic(x, -0.75), False, 2.0),
    "pillow-bicubic": (_cubic, True, 2.0),
    "pillow-lanczos": (_lanczos, True, 3.0),
}


def dense_matrix(size: int, name: str, scale: int = 2) -> np.ndarray:
    """Return one direction as a dense size/s x size matrix: centre (i + 0.5) s - 0.5, mirrored border."""
    kernel, stretched, support = ORACLES[name]
    stretch = scale if stretched else 1
    matrix = np.zeros((size // scale, size))
    for i in range(size // scale):
        centre = (i + 0.5) * scale - 0.5
        reach = support * stretch
        taps = range(math.ceil(centre - reach), math.floor(centre + reach) + 1)
        weights = [kernel((t - centre) / stretch) for t in taps]
        for t, weight in zip(taps, weights, strict=True):
            mirrored = t % (2 * size)
            mirrored = min(mirrored, 2 * size - 1 - mirrored)
            matrix[i, mirrored] += weight / sum(weights)
    return matrix


def reduce_exactly(frame: np.ndarray, name: str, scale: int = 2) -> np.ndarray:
    """Return a frame s times smaller, not rounded."""
    height, width = frame.shape[:2]
    rows, columns = dense_matrix(height, name, scale), dense_matrix(width, name, scale)
    return np.einsum("ih,hwc,jw->ijc", rows, frame.astype(np.float64), columns)
