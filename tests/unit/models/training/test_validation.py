import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from superres.device.frames.pixels import upscale_bicubic
from superres.models.networks import Network
from superres.models.training.batches import open_pairs
from superres.models.training.validation import psnr_y_db, upscale, validate, validate_bicubic

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
