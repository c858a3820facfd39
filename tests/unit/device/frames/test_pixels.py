"""Conversion between frames and planes, and bicubic doubling, against plain numpy in float64."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from superres.device.frames.pixels import enlarge_bicubic, from_blocks, to_pixels, to_planes


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


def keys(distance: float) -> float:
    """Keys' cubic convolution kernel with a = -0.5."""
    a, d = -0.5, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def enlarging(count: int, scale: int) -> np.ndarray:
    """One direction as a dense sn x n matrix: half-pixel centres, border mirrored with the edge repeated."""
    matrix = np.zeros((scale * count, count))
    for out in range(scale * count):
        centre = (out + 0.5) / scale - 0.5
        for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            place = tap % (2 * count)
            matrix[out, min(place, 2 * count - 1 - place)] += keys(centre - tap)
    return matrix


@pytest.mark.parametrize("size", [(9, 7), (24, 40), (2, 1), (1, 3)])
@pytest.mark.parametrize("scale", range(1, 9))
def test_every_pixel_is_the_definitions(size: tuple[int, int], scale: int) -> None:
    # Few levels, extremes among them: overshoots and exact halves occur often.
    frame = np.random.default_rng(0).choice([0, 1, 128, 254, 255], (*size, 3)).astype(np.uint8)
    rows, columns = (enlarging(count, scale) for count in size)
    levels = np.einsum("ih,hwc,jw->ijc", rows, frame.astype(np.float64), columns)
    found, expected = enlarge_bicubic(frame, scale), np.clip(np.rint(levels), 0, 255)
    # At other scales float32 tells halves by chance.
    halves = np.abs(levels - np.floor(levels) - 0.5) < (0 if scale <= 2 else 1e-4)
    assert np.array_equal(found[~halves], expected[~halves])
    assert halves.mean() < 0.5


@pytest.mark.parametrize("scale", range(1, 9))
@pytest.mark.parametrize("more", [0, 16])
def test_blocks_become_pixels(scale: int, more: int) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (3, 5, 3 * scale**2 + more), np.uint8)
    frame = np.empty((3 * scale, 5 * scale, 3), np.uint8)
    from_blocks(blocks, frame, scale)
    for y, x, c in np.ndindex(*frame.shape):
        i, j = y % scale, x % scale
        assert frame[y, x, c] == blocks[y // scale, x // scale, 3 * scale * i + 3 * j + c]


def test_a_given_frame_is_written_into() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (6, 5, 3), np.uint8)
    frame.setflags(write=False)
    out = np.empty((12, 10, 3), np.uint8)
    assert enlarge_bicubic(frame, 2, out) is out
    assert np.array_equal(out, enlarge_bicubic(frame, 2))
