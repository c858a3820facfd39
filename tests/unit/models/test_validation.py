import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from superres.models.batches import open_pairs
from superres.models.networks import Network
from superres.models.validation import psnr_y_db, upscale, upscale_bicubic, validate, validate_bicubic

from . import oracle

MakePairs = Callable[..., Path]


def test_grey_difference_of_one_level() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    # Studio-swing luma has a gain of 219 / 255 for grey.
    expected = 20 * math.log10(255 / (219 / 255))
    assert psnr_y_db(reference + 1, reference) == pytest.approx(expected, abs=1e-6)


def test_difference_in_green_alone() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    upscaled = reference.copy()
    upscaled[..., 1] += 2
    assert psnr_y_db(upscaled, reference) == pytest.approx(
        20 * math.log10(255 / (2 * 128.553 / 255)), abs=1e-6
    )


def test_border_of_two_pixels_does_not_count() -> None:
    reference = np.full((10, 12, 3), 100, np.uint8)
    upscaled = reference.copy()
    upscaled[:2], upscaled[-2:], upscaled[:, :2], upscaled[:, -2:] = 0, 0, 0, 0
    assert psnr_y_db(upscaled, reference) == math.inf
    upscaled[2, 2] = 0
    assert psnr_y_db(upscaled, reference) < 60


def test_bicubic_is_keys_with_a_half() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    levels = oracle.upsample(frame.transpose(2, 0, 1).astype(np.float64), "bicubic", a=-0.5)
    expected = np.clip(np.rint(levels.transpose(1, 2, 0)), 0, 255)
    # Inside, where mirroring and repeating the border's pixels are the same.
    inside = slice(3, -3)
    assert np.array_equal(upscale_bicubic(frame)[inside, inside], expected[inside, inside])


def test_bicubic_mirrors_the_border() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8)
    mirrored = np.pad(frame, ((6, 6), (5, 5), (0, 0)), mode="symmetric")
    assert np.array_equal(upscale_bicubic(frame), upscale_bicubic(mirrored)[12:-12, 10:-10])


class Repeat(Network):
    """Repeats each pixel four times, and adds some levels."""

    def __init__(self, levels: float):
        super().__init__()
        self.trunk = nn.Identity()
        self.levels = levels

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return nn.functional.interpolate(frame, scale_factor=2.0) + self.levels / 255


def test_upscale_rounds_to_the_nearest_level() -> None:
    frame = np.random.default_rng(2).integers(0, 250, (4, 5, 3), np.uint8)
    repeated = frame.repeat(2, 0).repeat(2, 1)
    assert np.array_equal(upscale(Repeat(0.4), frame), repeated)
    assert np.array_equal(upscale(Repeat(0.6), frame), repeated + 1)


def test_validation_is_the_mean_over_the_images(make_pairs: MakePairs) -> None:
    pairs = open_pairs(make_pairs("set", [(12, 20), (16, 9)]))
    for score, method in ((validate(Repeat(0), pairs), "nearest"), (validate_bicubic(pairs), "bicubic")):
        singles = []
        for low, high in zip(pairs.lr, pairs.hr, strict=True):
            up = upscale_bicubic(low) if method == "bicubic" else low.repeat(2, 0).repeat(2, 1)
            luma = (up.astype(float) - high)[2:-2, 2:-2] @ np.array([65.481, 128.553, 24.966]) / 255
            singles.append(10 * np.log10(255**2 / np.mean(luma**2)))
        assert score == pytest.approx(np.mean(singles), abs=1e-9)
