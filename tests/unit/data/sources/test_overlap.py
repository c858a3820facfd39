"""Which studies share frames, and the sector that a turning view really sees."""

import math
from dataclasses import replace

import numpy as np
import pytest

from superres.data.sources.overlap import (
    check_disjoint,
    frame_sector,
    half_width,
    sectors_overlap,
    yaw_footprint,
)
from superres.data.sources.sources import (
    FrameRange,
    Images,
    PackageFile,
    PackageImages,
    Source,
    TurningView,
    Video,
    Y4m,
)

WHEEL = PackageFile("pack", "1.0", "0" * 64)
VIEW = TurningView(WHEEL, "pack/pano.jpg", 24, 1920, 1080, 110, -90, 0.36, 4, 2)


def _source(kind, *frames):
    return Source(kind, FrameRange(*frames))


@pytest.mark.parametrize("pitch", [-60, -4, 0, 4, 30])
@pytest.mark.parametrize(("fov", "width", "height"), [(110, 1920, 1080), (60, 960, 540), (40, 300, 400)])
def test_half_width_is_the_extreme_yaw_of_the_border(pitch, fov, width, height):
    half = math.tan(math.radians(fov) / 2)
    u, v = np.meshgrid(np.linspace(-half, half, 201), np.linspace(-half, half, 201) * height / width)
    tilt = math.radians(pitch)
    # Rotation of the ray (u, -v, 1) about the horizontal axis, by matrix.
    turn = np.array([[1, 0, 0], [0, math.cos(tilt), math.sin(tilt)], [0, -math.sin(tilt), math.cos(tilt)]])
    x, _, z = np.einsum("ij,jyx->iyx", turn, np.stack([u, -v, np.ones_like(u)]))
    expected = 180.0 if z.min() <= 0 else np.degrees(np.arctan2(x, z)).max()
    assert half_width(fov, pitch, width, height) == pytest.approx(expected, abs=1e-9)


def test_level_view_spans_its_field_of_view():
    assert frame_sector(replace(VIEW, pitch=0), 10) == pytest.approx((-90 + 3.6 - 55, -90 + 3.6 + 55))


def test_footprint_joins_the_first_and_the_last_frame():
    low, high = yaw_footprint(VIEW)
    assert low == frame_sector(VIEW, 0)[0]
    assert high == frame_sector(VIEW, 23)[1]
    assert yaw_footprint(replace(VIEW, yaw=-90 + 23 * 0.36, yaw_step=-0.36)) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ((0, 10), (10, 20), False),
        ((0, 10), (9.9, 20), True),
        ((170, 190), (-175, -160), True),
        ((170, 185), (-175, -160), False),
        ((0, 10), (725, 735), True),
        ((0, 400), (100, 101), True),
        ((5, 6), (0, 300), True),
    ],
)
def test_sectors_around_the_circle(a, b, overlap):
    assert sectors_overlap(a, b) is overlap
    assert sectors_overlap(b, a) is overlap


def test_views_of_one_panorama():
    far = replace(VIEW, yaw=90, fov=60)
    assert check_disjoint([_source(VIEW)], [_source(far)]) is None
    near = replace(VIEW, yaw=0, fov=60)
    assert "views into pack/pano.jpg overlap" in str(check_disjoint([_source(VIEW)], [_source(near)]))
    assert "overlap" in str(check_disjoint([_source(VIEW)], [_source(replace(far, yaw=270))]))
    assert check_disjoint([_source(VIEW)], [_source(replace(near, member="pack/other.jpg"))]) is None


def test_only_the_frames_in_range_count():
    turning = replace(VIEW, fov=30, yaw=0, yaw_step=40, frames=6)
    other = replace(VIEW, fov=30, yaw=40, frames=1)
    assert check_disjoint([_source(turning)], [_source(other)])
    assert check_disjoint([_source(turning, 2)], [_source(other)]) is None


def test_videos_share_frames_by_index(tmp_path):
    path = str(tmp_path / "a.y4m")
    same = str(tmp_path / "sub" / ".." / "a.y4m")
    y4m, video = Y4m(path, "bt709", "limited", "auto"), Video(same)
    (tmp_path / "sub").mkdir()
    assert check_disjoint([_source(y4m, 0, 10)], [_source(y4m, 10, 5)]) is None
    assert check_disjoint([_source(y4m, 0, None, 2)], [_source(video, 1, None, 2)]) is None
    shared = check_disjoint([_source(y4m, 0, None, 3)], [_source(video, 1, 5, 2)])
    assert shared == f"both take frame 3 of {path}"
    assert check_disjoint([_source(y4m)], [_source(Video(str(tmp_path / "b.y4m")))]) is None


def test_folders_share_files(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).touch()
    one, rest = Images(str(tmp_path), ("a*",), ()), Images(str(tmp_path), (), ("a.png",))
    assert check_disjoint([_source(one)], [_source(rest)]) is None
    everything = Images(str(tmp_path), (), ())
    assert check_disjoint([_source(everything, 1)], [_source(one)]) is None
    assert check_disjoint([_source(everything)], [_source(rest)]) == f"both take {tmp_path / 'b.png'}"


def test_packages_share_members():
    some, more = (
        PackageImages(WHEEL, ("pack/a*.jpg",), 1),
        PackageImages(WHEEL, ("pack/b.jpg", "pack/ab.jpg"), 2),
    )
    assert "pack/a*.jpg from the package pack" in str(check_disjoint([_source(some)], [_source(more)]))
    assert check_disjoint([_source(some)], [_source(PackageImages(WHEEL, ("pack/b.jpg",), 1))]) is None
    panorama = PackageImages(WHEEL, ("pack/p*.jpg",), 1)
    assert "pack/pano.jpg" in str(check_disjoint([_source(VIEW)], [_source(panorama)]))
    assert "pack/pano.jpg" in str(check_disjoint([_source(panorama)], [_source(VIEW)]))
