"""MATLAB's bicubic against a float64 oracle that sums the kernel's definition pixel by pixel."""

import numpy as np
import pytest

from superres.device.frames.bicubic import upscale_bicubic


def keys(distance: float) -> float:
    """Keys' cubic convolution kernel with a = -0.5."""
    a, d = -0.5, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def doubling(count: int) -> np.ndarray:
    """One direction as a dense 2n x n matrix: half-pixel centres, border mirrored with the edge repeated."""
    matrix = np.zeros((2 * count, count))
    for out in range(2 * count):
        centre = (out + 0.5) / 2 - 0.5
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            place = tap % (2 * count)
            matrix[out, min(place, 2 * count - 1 - place)] += keys(centre - tap)
    return matrix


@pytest.mark.parametrize("size", [(9, 7), (24, 40), (2, 1), (1, 3)])
def test_every_pixel_is_the_definitions(size: tuple[int, int]) -> None:
    # Few levels, extremes among them: overshoots and exact halves occur often.
    frame = np.random.default_rng(0).choice([0, 1, 128, 254, 255], (*size, 3)).astype(np.uint8)
    levels = np.einsum("ih,hwc,jw->ijc", doubling(size[0]), frame.astype(np.float64), doubling(size[1]))
    assert np.array_equal(upscale_bicubic(frame), np.clip(np.rint(levels), 0, 255))


def test_a_given_frame_is_written_into() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8)
    frame.setflags(write=False)
    out = np.empty((12, 10, 3), np.uint8)
    assert upscale_bicubic(frame, out) is out
    assert np.array_equal(out, upscale_bicubic(frame))
