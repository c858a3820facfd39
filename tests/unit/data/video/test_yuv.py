"""YUV to RGB against the standards' equations in float64, and chroma siting by ramps."""

import cv2
import numpy as np
import pytest

from superres.data.video.yuv import rgb_matrix, upsample_chroma, yuv_to_rgb

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722)}


def _upsample(plane, width, height, siting):
    parts, steps = upsample_chroma(plane, width, height, siting)
    return parts.astype(np.float32) / np.float32(steps)


def _to_yuv(rgb, matrix, limited):
    """Apply the standards' forward equations to float64 RGB in 0 to 255, without rounding."""
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    kr, kg, kb = WEIGHTS[matrix]
    y = kr * r + kg * g + kb * b
    cb, cr = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if limited:
        return np.stack([219 * y + 16, 224 * cb + 128, 224 * cr + 128], -1)
    return np.stack([255 * y, 255 * cb + 128, 255 * cr + 128], -1)


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("limited", [True, False])
def test_matrix_inverts_the_standards_equations(matrix, limited):
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], float)
    yuv = _to_yuv(corners, matrix, limited)
    back = np.column_stack([yuv, np.ones(8)]) @ rgb_matrix(matrix, limited).T
    assert np.abs(back - corners).max() < 1e-9


@pytest.mark.parametrize("limited", [True, False])
def test_grey_closed_form(limited):
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    neutral = np.full((16, 16), 128, np.uint8)
    grey = np.clip(np.rint((np.arange(256) - 16) * 255 / 219), 0, 255) if limited else np.arange(256)
    rgb = yuv_to_rgb((levels, neutral, neutral), "bt709", limited, "center")
    assert np.array_equal(rgb.reshape(256, 3), np.repeat(grey[:, None], 3, 1).astype(np.uint8))


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("limited", [True, False])
def test_colours_survive_the_round_trip(matrix, limited):
    """8-bit YUV keeps a colour within its own rounding, at most 2 levels."""
    rgb = np.random.default_rng(3).integers(0, 256, (32, 32, 3))
    yuv = np.rint(_to_yuv(rgb.astype(float), matrix, limited)).clip(0, 255).astype(np.uint8)
    found = yuv_to_rgb((yuv[:, :, 0], yuv[:, :, 1], yuv[:, :, 2]), matrix, limited, "center").astype(int)
    assert np.abs(found - rgb).max() <= 2


def test_matrices_differ():
    red = np.full((2, 2), 63, np.uint8), np.full((2, 2), 102, np.uint8), np.full((2, 2), 240, np.uint8)
    assert yuv_to_rgb(red, "bt709", True, "center")[0, 0].tolist() == [255, 1, 0]
    assert yuv_to_rgb(red, "bt601", True, "center")[0, 0].tolist() != [255, 1, 0]


@pytest.mark.parametrize(
    ("siting", "offset"), [("left", (0, 0.5)), ("center", (0.5, 0.5)), ("topleft", (0, 0))]
)
def test_a_chroma_ramp_keeps_its_position(siting, offset):
    """Chroma sample (i, j) is at luma (2j + across, 2i + down). A plane 2x + 4y is linear, so exact."""
    across, down = offset
    rows, columns = np.mgrid[0:12, 0:16]
    # Half offsets times the slopes are whole levels.
    samples = (2 * (2 * columns + across) + 4 * (2 * rows + down)).astype(np.uint8)
    y, x = np.mgrid[0:24, 0:32]
    expected = 2.0 * x + 4.0 * y
    inside = np.s_[2:-2, 2:-2]
    found = _upsample(samples, 32, 24, siting)
    assert np.array_equal(found[inside], expected[inside])
    for wrong in {"left", "center", "topleft"} - {siting}:
        shifted = _upsample(samples, 32, 24, wrong)
        assert np.abs(shifted[inside] - expected[inside]).min() >= 1


def test_422_upsamples_across_only():
    samples = np.arange(0, 160, 4, dtype=np.uint8).reshape(5, 8)
    found = _upsample(samples, 16, 5, "left")
    assert np.array_equal(found[:, 0::2], samples)
    assert np.array_equal(found[:, 1:-1:2], samples[:, :-1] + 2)
    assert np.array_equal(found[:, -1], samples[:, -1])


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
def test_420_against_float64(siting):
    """The whole conversion by bilinear interpolation at explicit positions, in float64."""
    rng = np.random.default_rng(4)
    height, width = 10, 14
    luma = rng.integers(0, 256, (height, width), dtype=np.uint8)
    chroma = [rng.integers(0, 256, (height // 2, width // 2), dtype=np.uint8) for _ in range(2)]
    across, down = {"left": (0, 0.5), "center": (0.5, 0.5), "topleft": (0, 0)}[siting]

    def interpolated(plane):
        out = np.empty((height, width))
        for y in range(height):
            for x in range(width):
                v = min(max((y - down) / 2, 0), height // 2 - 1)
                u = min(max((x - across) / 2, 0), width // 2 - 1)
                i, j = min(int(v), height // 2 - 2), min(int(u), width // 2 - 2)
                a, b = v - i, u - j
                p = plane[i : i + 2, j : j + 2].astype(float)
                out[y, x] = (1 - a) * ((1 - b) * p[0, 0] + b * p[0, 1]) + a * (
                    (1 - b) * p[1, 0] + b * p[1, 1]
                )
        return out

    y, cb, cr = luma.astype(float) - 16, interpolated(chroma[0]) - 128, interpolated(chroma[1]) - 128
    y, cb, cr = y / 219, cb / 224, cr / 224
    r, b = y + 1.5748 * cr, y + 1.8556 * cb
    g = (y - 0.2126 * r - 0.0722 * b) / 0.7152
    expected = np.clip(np.stack([r, g, b], -1) * 255, 0, 255)
    found = yuv_to_rgb((luma, chroma[0], chroma[1]), "bt709", True, siting)
    assert np.abs(found - expected).max() < 0.5 + 1e-3


@pytest.mark.parametrize("size", [(2, 2), (6, 8), (62, 64), (66, 64), (130, 66), (194, 1366), (1080, 1920)])
@pytest.mark.parametrize("subsampled", [(1, 1), (2, 1), (2, 2)], ids=["444", "422", "420"])
def test_strips_equal_one_transform_of_the_whole_frame(size, subsampled):
    """Strips and integers are for speed only: no byte may change, wherever a frame is cut."""
    (height, width), (across, down) = size, subsampled
    rng = np.random.default_rng(height * width)
    luma = rng.integers(0, 256, size, np.uint8)
    blue, red = (rng.integers(0, 256, (height // down, width // across), np.uint8) for _ in range(2))
    for matrix, limited in (("bt601", False), ("bt709", True)):
        chroma = [_upsample(plane, width, height, "left") for plane in (blue, red)]
        whole = cv2.transform(cv2.merge([luma.astype(np.float32), *chroma]), rgb_matrix(matrix, limited))
        expected = np.clip(np.rint(whole), 0, 255).astype(np.uint8)
        assert np.array_equal(yuv_to_rgb((luma, blue, red), matrix, limited, "left"), expected)
