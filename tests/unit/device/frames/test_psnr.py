"""PSNR against the paper's formula in float64 and against closed forms."""

import math

import cv2
import numpy as np
import pytest

from superres.device.frames.psnr import (
    PAPER,
    PsnrProtocol,
    literature,
    mean_squared_errors,
    psnr,
    squared_errors,
)


def pair(shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
        rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
    )


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (37, 53), (256, 256), (300, 401), (540, 960)])
def test_sums_are_those_of_the_formula(shape):
    hr, recon = pair(shape, 0)
    difference = hr.astype(np.int64) - recon
    assert squared_errors(hr, recon)[0] == int((difference**2).sum())
    luma = difference @ np.array([0.299, 0.587, 0.114])
    assert squared_errors(hr, recon)[1] == pytest.approx((luma**2).sum(), rel=1e-12)


def test_sums_are_exact_where_they_are_largest():
    hr = np.full((1080, 1920, 3), 255, np.uint8)
    assert squared_errors(hr, np.zeros_like(hr)) == (255**2 * 1080 * 1920 * 3, 255**2 * 1080 * 1920)


def test_views_and_read_only_frames_are_fine():
    hr, recon = pair((64, 64), 1)
    hr.setflags(write=False)
    strided = np.ascontiguousarray(recon.transpose(1, 0, 2)).transpose(1, 0, 2)
    assert squared_errors(hr, strided) == squared_errors(hr, recon)


def test_a_difference_of_one_level_everywhere_is_48_13_db():
    hr = np.full((20, 30, 3), 100, np.uint8)
    total, total_y = squared_errors(hr, hr + 1)
    assert psnr(total / hr.size) == pytest.approx(48.1308, abs=5e-5)
    assert psnr(total_y / (20 * 30)) == pytest.approx(48.1308, abs=5e-5)


def test_black_against_white_is_0_db_and_the_same_frame_60():
    black = np.zeros((8, 8, 3), np.uint8)
    assert psnr(squared_errors(black, black + 255)[0] / black.size) == 0
    assert psnr(squared_errors(black, black + 255)[1] / 64) == 0
    assert psnr(squared_errors(black, black)[0]) == 60
    assert psnr(squared_errors(black, black)[1]) == 60


@pytest.mark.parametrize(("mse", "db"), [(0, 60), (1e-300, 60), (0.065, 60), (0.0651, 59.9950), (65025, 0)])
def test_no_frame_counts_more_than_an_exact_one(mse: float, db: float):
    """libvmaf: psnr_max = 6 * bits + 12."""
    assert psnr(mse) == pytest.approx(db, abs=1e-4)


def test_one_channel_alone_counts_by_its_weight_in_luma():
    hr = np.zeros((4, 4, 3), np.uint8)
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        recon = hr.copy()
        recon[..., channel] = 10
        assert squared_errors(hr, recon) == (1600, pytest.approx(16 * (10 * weight) ** 2, rel=1e-14))


@pytest.mark.parametrize("shape", [(5, 5), (37, 53), (300, 401)])
@pytest.mark.parametrize("border", [0, 2])
def test_studio_swing_and_border_against_rgb2ycbcr(shape, border):
    hr, recon = pair(shape, 3)

    def luma(frame: np.ndarray) -> np.ndarray:
        inside = frame.astype(np.float64)[border : shape[0] - border, border : shape[1] - border] / 255
        return 16 + inside @ np.array([65.481, 128.553, 24.966])

    mse, mse_y = mean_squared_errors(hr, recon, PsnrProtocol("studio-swing", border))
    assert mse_y == pytest.approx(((luma(hr) - luma(recon)) ** 2).mean(), rel=1e-12)
    inside = (hr.astype(float) - recon)[border : shape[0] - border, border : shape[1] - border]
    assert mse == pytest.approx((inside**2).mean(), rel=1e-12)


def test_black_against_white_is_219_levels_of_studio_swing():
    hr = np.full((1080, 1920, 3), 255, np.uint8)
    assert squared_errors(hr, np.zeros_like(hr), "studio-swing")[1] == 219**2 * 1080 * 1920


def test_studio_swing_gives_the_same_decibels_more_for_any_frame():
    hr, recon = pair((40, 50), 4)
    paper, studio = (
        psnr(mean_squared_errors(hr, recon, PsnrProtocol(luma, 0))[1])
        for luma in ("full-range", "studio-swing")
    )
    assert studio - paper == pytest.approx(20 * math.log10(255 / 219), abs=1e-4)


def test_what_lies_in_the_border_does_not_count():
    hr = np.full((10, 12, 3), 100, np.uint8)
    recon = hr.copy()
    recon[:2], recon[-2:], recon[:, :2], recon[:, -2:] = 0, 0, 0, 0
    assert mean_squared_errors(hr, recon, literature(2)) == (0, 0)
    assert min(mean_squared_errors(hr, recon, PAPER)) > 0
    recon[2, 2] = 0
    assert mean_squared_errors(hr, recon, literature(2))[0] == pytest.approx(100**2 / (6 * 8))


def test_a_border_that_leaves_nothing_is_refused():
    frame = np.zeros((4, 9, 3), np.uint8)
    with pytest.raises(ValueError, match="larger than a border of 2 pixels at each side, found 9x4"):
        mean_squared_errors(frame, frame, literature(2))


def test_agrees_with_opencv():
    hr, recon = pair((90, 160), 2)
    assert psnr(squared_errors(hr, recon)[0] / hr.size) == pytest.approx(cv2.PSNR(hr, recon), abs=1e-9)


def test_frames_of_other_sizes_or_types_are_refused():
    frame = np.zeros((4, 4, 3), np.uint8)
    for other in (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4, 3), np.float32)):
        with pytest.raises(ValueError, match="two uint8 frames"):
            squared_errors(frame, other)
