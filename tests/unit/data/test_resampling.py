"""Downsampling against a float64 oracle of each kernel's definition."""

import numpy as np
import pytest

from superres.data.resampling import KERNELS, downsample, downsample_float
from superres.device.base.errors import UserError

from .resampling_oracle import dense_matrix, reduce_exactly

SCALES = pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
SIZES = pytest.mark.parametrize("size", [(20, 33), (2, 1), (3, 64)])


@pytest.mark.parametrize("kernel", KERNELS)
@SIZES
@SCALES
def test_matches_the_kernels_definition(kernel, size, scale):
    frame = random_frame(size, scale)
    expected = reduce_exactly(frame, kernel, scale)
    assert np.abs(downsample_float(frame, kernel, scale) - expected).max() < 1e-3


def random_frame(size: tuple[int, int], scale: int) -> np.ndarray:
    shape = (size[0] * scale, size[1] * scale, 3)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_changes_at_scale_1(kernel):
    frame = random_frame((20, 33), 1)
    assert np.array_equal(downsample(frame, kernel, 1), frame)


@pytest.mark.parametrize("kernel", [kernel for kernel in KERNELS if kernel != "bicubic-matlab"])
@SIZES
@SCALES
def test_rounds_once_to_the_nearest_level(kernel, size, scale):
    frame = random_frame(size, scale)
    expected = reduce_exactly(frame, kernel, scale)
    found = downsample(frame, kernel, scale).astype(int)
    rounded = np.clip(np.rint(expected), 0, 255)
    ties = np.abs(expected - np.floor(expected) - 0.5) < 1e-3
    assert np.array_equal(found[~ties], rounded[~ties])
    assert np.abs(found - rounded).max() <= 1


@pytest.mark.parametrize("size", [(40, 66), (4, 2), (6, 128)])
def test_matlab_rounds_after_the_columns_and_after_the_rows(size):
    # Few levels: overshoots and exact halves occur often. The weights are multiples of 1/256.
    frame = np.random.default_rng(3).choice([0, 1, 128, 254, 255], (*size, 3)).astype(np.uint8)
    down, across = (np.rint(dense_matrix(n, "bicubic") * 256) / 256 for n in size)
    columns = np.clip(np.floor(np.einsum("ih,hwc->iwc", down, frame.astype(float)) + 0.5), 0, 255)
    expected = np.clip(np.floor(np.einsum("jw,iwc->ijc", across, columns) + 0.5), 0, 255)
    assert np.array_equal(downsample(frame, "bicubic-matlab", 2), expected)
    once = np.abs(downsample(frame, "bicubic", 2).astype(int) - expected)
    # These are the extremes of a picture, where clipping in between matters most.
    assert once.max() > 1


def test_matlab_rounds_twice_at_scale_4_too():
    # At 4 the weights are multiples of 1/4096, so sums in float32 are exact and so are halves.
    frame = np.random.default_rng(3).choice([0, 1, 128, 254, 255], (40, 64, 3)).astype(np.uint8)
    down, across = (np.rint(dense_matrix(n, "bicubic", 4) * 4096) / 4096 for n in (40, 64))
    columns = np.clip(np.floor(np.einsum("ih,hwc->iwc", down, frame.astype(float)) + 0.5), 0, 255)
    expected = np.clip(np.floor(np.einsum("jw,iwc->ijc", across, columns) + 0.5), 0, 255)
    assert np.array_equal(downsample(frame, "bicubic-matlab", 4), expected)


def test_matlabs_second_rounding_is_a_level_here_and_there():
    # A smooth picture stays away from the limits of 8 bits.
    y, x = np.mgrid[:64, :96]
    waves = 128 + 60 * np.sin(y / 5)[..., None] * np.cos(x / 7)[..., None] * np.array([1.0, 0.8, 0.6])
    frame = np.rint(waves).astype(np.uint8)
    difference = np.abs(downsample(frame, "bicubic", 2).astype(int) - downsample(frame, "bicubic-matlab", 2))
    assert difference.max() == 1
    assert 0.01 < difference.mean() < 0.3


def test_bicubic_taps_are_imresizes():
    """A single bright column shows the eight weights -3, -9, 29, 111 / 256 and their mirror image."""
    frame = np.zeros((8, 32, 3), np.uint8)
    frame[:, 16] = 128
    found = downsample_float(frame, "bicubic", 2)[2, :, 0] / 128 * 256
    assert found[6:11] == pytest.approx([-3, 29, 111, -9, 0], abs=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_flat_frame_stays_flat(kernel):
    frame = np.full((10, 14, 3), 201, np.uint8)
    assert (downsample(frame, kernel, 2) == 201).all()


def test_reads_a_read_only_view():
    frame = np.random.default_rng(2).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    frame.setflags(write=False)
    assert downsample(frame[1], "area", 2).shape == (4, 6, 3)


def test_mistakes_are_named():
    frame = np.zeros((4, 6, 3), np.uint8)
    with pytest.raises(
        UserError,
        match=r"expected one of bicubic, bicubic-matlab, area, lanczos, bicubic-aliased, found 'cubic'",
    ):
        downsample(frame, "cubic", 2)
    with pytest.raises(UserError, match="multiples of 2 as width and height, found 5x4"):
        downsample(frame[:, :5], "area", 2)
