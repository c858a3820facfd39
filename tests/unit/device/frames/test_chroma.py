"""A frame with its own luma and the chroma of another, against the inverse of BT.601 in float64."""

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.frames.chroma import as_420, with_chroma
from superres.device.frames.psnr import mean_squared_errors

# Full-range BT.601 as JPEG's JFIF writes it: rows Y, Cb, Cr.
FORWARD = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def pair(low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random frames with levels from `low` to `high`."""
    one, other = np.random.default_rng(1).integers(low, high, (2, 6, 8, 3), dtype=np.uint8)
    return one, other


def recomposed(upscaled: np.ndarray, giving: np.ndarray) -> np.ndarray:
    """Luma of one frame and chroma of another, through YCbCr, unrounded."""
    own, other = (frame.astype(np.float64) @ FORWARD.T for frame in (upscaled, giving))
    return np.concatenate([own[..., :1], other[..., 1:]], axis=-1) @ np.linalg.inv(FORWARD).T


def test_luma_is_its_own_and_chroma_that_of_the_original():
    upscaled, hr = pair(100, 156)
    found = with_chroma(upscaled, hr, "hr")
    assert np.abs(found - recomposed(upscaled, hr)).max() <= 0.5 + 1e-3
    # Luma alone is wrong, by as much in R, G and B as in luma: rounding to levels is all that differs.
    mse, mse_y = mean_squared_errors(hr, found)
    assert mse == pytest.approx(mse_y, abs=0.5)
    assert mean_squared_errors(hr, upscaled)[0] > 1.3 * mse


def test_levels_are_limited():
    upscaled, hr = pair(0, 256)
    wanted = np.clip(recomposed(upscaled, hr), 0, 255)
    assert wanted.min() == 0 and wanted.max() == 255
    assert np.abs(with_chroma(upscaled, hr, "hr") - wanted).max() <= 0.5 + 1e-3


def test_chroma_at_half_size_is_that_of_means_bilinearly_doubled():
    upscaled, hr = pair(100, 156)
    means = hr.reshape(3, 2, 4, 2, 3).mean((1, 3))
    doubled = np.empty((6, 8, 3))
    for y in range(6):
        for x in range(8):
            # The nearest mean of each axis counts three quarters, the next one a quarter; ends are repeated.
            rows = [(y // 2, 0.75), (min(max(y // 2 + (1 if y % 2 else -1), 0), 2), 0.25)]
            columns = [(x // 2, 0.75), (min(max(x // 2 + (1 if x % 2 else -1), 0), 3), 0.25)]
            doubled[y, x] = sum(a * b * means[i, j] for i, a in rows for j, b in columns)
    assert np.abs(as_420(hr) - doubled).max() < 1e-3
    assert np.abs(with_chroma(upscaled, hr, "hr-420") - recomposed(upscaled, doubled)).max() <= 0.5 + 1e-3
    # A last odd row and column are repeated.
    odd = np.pad(hr[:5, :7], [(0, 1), (0, 1), (0, 0)], "edge")
    np.testing.assert_array_equal(as_420(hr[:5, :7]), as_420(odd)[:5, :7])


def test_the_chroma_of_the_arm_is_left_alone():
    upscaled, hr = pair(0, 256)
    assert with_chroma(upscaled, hr, "upscaled") is upscaled
    # Comparing refuses another size, and says so.
    assert with_chroma(upscaled[:4], hr, "hr").shape == (4, 8, 3)
    with pytest.raises(UserError, match="expected upscaled, hr, hr-420 as chroma, found 'lr'"):
        with_chroma(upscaled, hr, "lr")
