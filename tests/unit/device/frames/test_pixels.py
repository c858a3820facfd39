"""Conversion between frames and planes, against plain numpy in float64."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from superres.device.frames.pixels import to_pixels, to_planes


def test_planes_are_pixels_divided_by_255():
    frame = np.random.default_rng(0).integers(0, 256, (37, 51, 3), dtype=np.uint8)
    planes = np.empty((1, 3, 37, 51), np.float32)
    to_planes(frame, planes)
    assert np.abs(planes[0].transpose(1, 2, 0) - frame / 255).max() < 3e-8


def test_pixels_are_rounded_to_nearest_and_limited():
    planes = np.random.default_rng(1).uniform(-0.3, 1.3, (1, 3, 37, 51)).astype(np.float32)
    exact = np.clip(planes[0].astype(np.float64) * 255, 0, 255).transpose(1, 2, 0)
    frame = np.empty((37, 51, 3), np.uint8)
    to_pixels(planes, frame)
    assert np.abs(frame - exact).max() < 0.50001


def test_every_level_survives_a_round_trip_in_any_number_of_parts():
    frame = np.arange(256, dtype=np.uint8).repeat(3 * 5).reshape(-1, 8, 3)
    planes = np.empty((1, 3, *frame.shape[:2]), np.float32)
    to_planes(frame, planes)
    with ThreadPoolExecutor(3) as pool:
        for parts in (1, 2, 3):
            back = np.empty_like(frame)
            to_pixels(planes, back, pool, parts)
            np.testing.assert_array_equal(back, frame)
