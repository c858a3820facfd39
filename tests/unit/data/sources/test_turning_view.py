"""The turning view: a point at a known angle lands on the known pixel."""

import math

import numpy as np
import pytest

from superres.data.sources.turning_view import render_view
from superres.device.base.errors import UserError

ROWS, COLUMNS = 1024, 2048


def _with_blob(yaw, pitch, radius=0.6):
    """Return a black panorama with a round white spot at an angle; `radius` in degrees of arc."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    lon = np.radians((x + 0.5) / COLUMNS * 360 - 180)
    lat = np.radians(90 - (y + 0.5) / ROWS * 180)
    lon0, lat0 = math.radians(yaw), math.radians(pitch)
    cosine = np.sin(lat) * math.sin(lat0) + np.cos(lat) * math.cos(lat0) * np.cos(lon - lon0)
    arc = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    spot = (np.clip((radius - arc) / radius, 0, 1) * 255).astype(np.uint8)
    return np.repeat(spot[:, :, None], 3, axis=2)


def _pixel(point, camera, fov, width, height):
    """Project a point gnomonically, to continuous pixel coordinates with centres at halves."""
    lon, lat, tilt = (math.radians(a) for a in (point[0] - camera[0], point[1], camera[1]))
    ahead = math.sin(tilt) * math.sin(lat) + math.cos(tilt) * math.cos(lat) * math.cos(lon)
    right = math.cos(lat) * math.sin(lon) / ahead
    up = (math.cos(tilt) * math.sin(lat) - math.sin(tilt) * math.cos(lat) * math.cos(lon)) / ahead
    focal = width / 2 / math.tan(math.radians(fov) / 2)
    return width / 2 + focal * right, height / 2 - focal * up


@pytest.mark.parametrize("supersampling", [1, 2, 3])
@pytest.mark.parametrize(
    ("point", "camera"),
    [
        ((0, 0), (0, 0)),
        ((25, 10), (10, 4)),
        ((-70, -15), (-90, 4)),
        ((178, 5), (-175, 0)),
        ((-178, -8), (170, -12)),
        ((40, 52), (20, 60)),
        ((400, 10), (390, 4)),
    ],
)
def test_a_point_lands_on_its_pixel(point, camera, supersampling):
    width, height, fov = 400, 300, 80
    view = render_view(
        _with_blob(*point), yaw=camera[0], pitch=camera[1], fov=fov, width=width, height=height,
        supersampling=supersampling,
    )  # fmt: skip
    assert view.shape == (height, width, 3)
    assert view.dtype == np.uint8
    weight = view[:, :, 0].astype(float)
    assert weight.max() > 150
    y, x = np.mgrid[0:height, 0:width] + 0.5
    found = (x * weight).sum() / weight.sum(), (y * weight).sum() / weight.sum()
    expected = _pixel(point, camera, fov, width, height)
    assert found == pytest.approx(expected, abs=0.15)


def test_the_seam_is_invisible():
    """A panorama rolled by half a turn gives the same view half a turn further."""
    rng = np.random.default_rng(5)
    panorama = np.repeat(np.repeat(rng.integers(0, 256, (64, 128, 3), dtype=np.uint8), 4, 0), 4, 1)
    rolled = np.roll(panorama, panorama.shape[1] // 2, axis=1)
    view = {"pitch": 4, "fov": 90, "width": 120, "height": 80, "supersampling": 2}
    across = render_view(panorama, yaw=180, **view).astype(int)
    assert np.abs(across - render_view(rolled, yaw=0, **view)).max() <= 1
    assert np.array_equal(across, render_view(panorama, yaw=-180, **view))


def test_a_view_over_the_pole_is_whole():
    panorama = np.full((64, 128, 3), 90, np.uint8)
    view = render_view(panorama, yaw=30, pitch=85, fov=100, width=60, height=40, supersampling=2)
    assert (view == 90).all()


def test_views_too_large_for_opencv_are_refused():
    panorama = np.zeros((4, 40000, 3), np.uint8)
    with pytest.raises(UserError, match="at most 32767 pixels"):
        render_view(panorama, yaw=0, pitch=85, fov=100, width=60, height=40, supersampling=2)
