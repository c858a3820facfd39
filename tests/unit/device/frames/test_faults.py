"""Figures of faults against float64, and faults made on purpose."""

import numpy as np
import pytest

from superres.device.frames.faults import Faults, find_faults


def photograph(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(20, 236, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("lr", [(1, 1), (5, 7), (33, 20)])
def test_figures_are_those_of_the_definition(scale: int, lr: tuple[int, int]):
    shape = (lr[0] * scale, lr[1] * scale)
    rng = np.random.default_rng(1)
    hr, upscaled = (rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2))
    found = find_faults(hr, upscaled, scale)
    errors = upscaled.astype(np.float64) - hr
    assert found[:3] == pytest.approx(errors.mean(axis=(0, 1)).tolist(), abs=1e-12)
    phases = np.array([errors[i::scale, j::scale].mean((0, 1)) for i in range(scale) for j in range(scale)])
    assert found.checkerboard == pytest.approx(np.ptp(phases, axis=0).max(), abs=1e-12)
    assert found.saturated == ((upscaled == 0) | (upscaled == 255)).mean()


def test_a_frame_without_a_fault():
    hr = photograph((540, 960))
    assert find_faults(hr, hr, 2) == Faults(0, 0, 0, 0, 0)


def test_a_cast_of_one_colour():
    hr = photograph((64, 96))
    assert find_faults(hr, hr - np.array([0, 0, 3], np.uint8), 2) == Faults(0, 0, -3, 0, 0)


def test_a_checkerboard_keeps_the_mean():
    hr = photograph((60, 96))
    upscaled = hr.copy()
    upscaled[0::2, 0::2, 1] += 2
    upscaled[1::2, 1::2, 1] -= 2
    found = find_faults(hr, upscaled, 2)
    assert found.checkerboard == pytest.approx(4, abs=1e-12)
    assert found[:3] == (0, 0, 0)


def test_values_clipped_at_both_ends():
    hr = photograph((40, 50))
    upscaled = hr.copy()
    upscaled[:4, :, :] = 0
    upscaled[4:10] = 255
    assert find_faults(hr, upscaled, 2).saturated == 0.25


def test_a_part_of_a_frame_in_the_memory_of_a_larger_one():
    hr, upscaled = photograph((40, 50)), photograph((40, 50), 1)
    part = find_faults(hr[:, :33], upscaled[:, :33], 2)
    # The last column makes no whole LR pixel.
    assert part == find_faults(hr[:, :32].copy(), upscaled[:, :32].copy(), 2)
