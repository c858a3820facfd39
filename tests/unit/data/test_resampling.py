"""Downsampling against a float64 oracle that sums the kernel's definition pixel by pixel."""

import math

import cv2
import numpy as np
import pytest

from superres.data.resampling import FILTERS, KERNELS, downsample, downsample_float
from superres.device.base.errors import UserError


def _cubic(x, a=-0.5):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def _lanczos(x):
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


def _box(x):
    return 1.0 if abs(x) <= 0.5 else 0.0


ORACLES = {
    "bicubic": (_cubic, 2, 2.0),
    "bicubic-matlab": (_cubic, 2, 2.0),
    "area": (_box, 2, 0.5),
    "lanczos": (_lanczos, 2, 3.0),
    "bicubic-aliased": (_cubic, 1, 2.0),
    "bicubic-swscale": (lambda x: _cubic(x, -0.6), 2, 2.0),
    "opencv-area": (_box, 2, 0.5),
    "opencv-cubic": (lambda x: _cubic(x, -0.75), 1, 2.0),
    "pillow-bicubic": (_cubic, 2, 2.0),
    "pillow-lanczos": (_lanczos, 2, 3.0),
}


def _matrix(size, name):
    """One direction as a dense size/2 x size matrix, by the definition: centre 2i + 0.5, mirrored border."""
    kernel, stretch, support = ORACLES[name]
    matrix = np.zeros((size // 2, size))
    for i in range(size // 2):
        centre = 2 * i + 0.5
        reach = support * stretch
        taps = range(math.ceil(centre - reach), math.floor(centre + reach) + 1)
        weights = [kernel((t - centre) / stretch) for t in taps]
        for t, weight in zip(taps, weights, strict=True):
            mirrored = t % (2 * size)
            mirrored = min(mirrored, 2 * size - 1 - mirrored)
            matrix[i, mirrored] += weight / sum(weights)
    return matrix


def _oracle(frame, name):
    height, width = frame.shape[:2]
    rows, columns = _matrix(height, name), _matrix(width, name)
    return np.einsum("ih,hwc,jw->ijc", rows, frame.astype(np.float64), columns)


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("size", [(40, 66), (4, 2), (6, 128)])
def test_matches_the_kernels_definition(kernel, size):
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = _oracle(frame, kernel)
    assert np.abs(downsample_float(frame, kernel) - expected).max() < 1e-3


@pytest.mark.parametrize("kernel", [kernel for kernel in FILTERS if kernel != "bicubic-matlab"])
@pytest.mark.parametrize("size", [(40, 66), (4, 2), (6, 128)])
def test_rounds_once_to_the_nearest_level(kernel, size):
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = _oracle(frame, kernel)
    found = downsample(frame, kernel).astype(int)
    rounded = np.clip(np.rint(expected), 0, 255)
    ties = np.abs(expected - np.floor(expected) - 0.5) < 1e-3
    assert np.array_equal(found[~ties], rounded[~ties])
    assert np.abs(found - rounded).max() <= 1


@pytest.mark.parametrize("size", [(40, 66), (4, 2), (6, 128)])
def test_matlab_rounds_after_the_columns_and_after_the_rows(size):
    # Few levels, so that overshoots and exact halves occur often; the weights are multiples of 1/256.
    frame = np.random.default_rng(3).choice([0, 1, 128, 254, 255], (*size, 3)).astype(np.uint8)
    down, across = (np.rint(_matrix(n, "bicubic") * 256) / 256 for n in size)
    columns = np.clip(np.floor(np.einsum("ih,hwc->iwc", down, frame.astype(float)) + 0.5), 0, 255)
    expected = np.clip(np.floor(np.einsum("jw,iwc->ijc", across, columns) + 0.5), 0, 255)
    assert np.array_equal(downsample(frame, "bicubic-matlab"), expected)
    once = np.abs(downsample(frame, "bicubic").astype(int) - expected)
    # Clipping in between matters most: these are the extremes of what a picture can hold.
    assert once.max() > 1


def test_matlabs_second_rounding_is_a_level_here_and_there():
    # A smooth picture stays away from the limits of 8 bits.
    y, x = np.mgrid[:64, :96]
    waves = 128 + 60 * np.sin(y / 5)[..., None] * np.cos(x / 7)[..., None] * np.array([1.0, 0.8, 0.6])
    frame = np.rint(waves).astype(np.uint8)
    difference = np.abs(downsample(frame, "bicubic").astype(int) - downsample(frame, "bicubic-matlab"))
    assert difference.max() == 1
    assert 0.01 < difference.mean() < 0.3


def test_bicubic_taps_are_imresizes():
    """A single bright column shows the eight weights -3, -9, 29, 111 / 256 and their mirror image."""
    frame = np.zeros((8, 32, 3), np.uint8)
    frame[:, 16] = 128
    found = downsample_float(frame, "bicubic")[2, :, 0] / 128 * 256
    assert found[6:11] == pytest.approx([-3, 29, 111, -9, 0], abs=1e-3)


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if kernel not in FILTERS])
def test_libraries_have_the_kernels_that_they_are_named_for(kernel):
    # Away from the borders, which each treats in its own way, and from 0 and 255, where a clip in between matters.
    frame = np.random.default_rng(4).integers(90, 160, (40, 66, 3), dtype=np.uint8)
    inside = (slice(4, -4), slice(4, -4))
    expected = _oracle(frame, kernel)[inside]
    found = downsample(frame, kernel)[inside]
    # OpenCV rounds once, in fixed point; Pillow after each direction.
    assert np.abs(found - expected).max() < (1.6 if kernel.startswith("pillow") else 0.6)
    other = _oracle(frame, "bicubic-swscale")[inside]
    assert np.abs(found - expected).mean() < np.abs(found - other).mean()


def test_opencv_halves_linearly_as_it_does_by_area():
    """So that INTER_LINEAR needs no kernel of its own."""
    frame = np.random.default_rng(5).integers(0, 256, (40, 66, 3), dtype=np.uint8)
    linear = cv2.resize(frame, (33, 20), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(linear, downsample(frame, "opencv-area"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_flat_frame_stays_flat(kernel):
    frame = np.full((10, 14, 3), 201, np.uint8)
    assert (downsample(frame, kernel) == 201).all()


def test_reads_a_read_only_view():
    frame = np.random.default_rng(2).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    frame.setflags(write=False)
    assert downsample(frame[1], "area").shape == (4, 6, 3)


def test_mistakes_are_named():
    frame = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(
        UserError,
        match=r"expected one of bicubic, bicubic-matlab, area, .*, pillow-lanczos, found 'cubic'",
    ):
        downsample(frame, "cubic")
    with pytest.raises(UserError, match="even width and height, found 5x4"):
        downsample(frame[:, :5], "area")
