"""Sources that share scenes, and the sector that a turning view shows."""

import math

import numpy as np
import pytest

from superres.data.sources.images import Images
from superres.data.sources.package_images import PackageImages
from superres.data.sources.source import FrameRange, PackageFile, Source, check_disjoint
from superres.data.sources.turning_view import (
    TurningView,
    frame_sector,
    half_width,
)
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m

WHEEL = PackageFile("pack", "1.0", "0" * 64)
VIEW = TurningView(
    package="pack",
    member="pack/pano.jpg",
    count=24,
    width=1920,
    height=1080,
    fov=110,
    yaw=-90,
    yaw_step=0.36,
    pitch=4,
)


def _view(**changes):
    return VIEW.model_copy(update=changes)


def _source(kind, first=0, count=None, stride=1):
    if isinstance(kind, TurningView | PackageImages):
        return Source(kind, WHEEL)
    return Source(kind.model_copy(update={"frames": FrameRange(first=first, count=count, stride=stride)}))


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
    assert frame_sector(_view(pitch=0), 10) == pytest.approx((-90 + 3.6 - 55, -90 + 3.6 + 55))


@pytest.mark.parametrize(
    "other", [{"yaw": 90}, {"yaw": -90}, {"pitch": 40, "fov": 5}, {"count": 1, "width": 32}]
)
def test_views_of_one_panorama_are_one_scene(other):
    assert check_disjoint([_source(VIEW)], [_source(_view(**other))]) == (
        "both look into pack/pano.jpg from the package pack"
    )
    assert check_disjoint([_source(VIEW)], [_source(_view(**other, member="pack/other.jpg"))]) is None


@pytest.mark.parametrize(
    ("mine", "theirs"), [((0, 10, 1), (10, 5, 1)), ((0, None, 2), (1, None, 2)), ((0, 3, 1), (0, 3, 1))]
)
def test_a_video_is_one_scene_whichever_frames_are_taken(tmp_path, mine, theirs):
    (tmp_path / "sub").mkdir()
    path, same = str(tmp_path / "a.y4m"), str(tmp_path / "sub" / ".." / "a.y4m")
    y4m, video = _source(Y4m(path=path), *mine), _source(Video(path=same), *theirs)
    assert check_disjoint([y4m], [video]) == f"both take frames of {path}"
    assert check_disjoint([y4m], [_source(Video(path=str(tmp_path / "b.y4m")), *theirs)]) is None


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_video_under_another_name_is_found_by_a_link(tmp_path, link):
    (tmp_path / "a.mp4").touch()
    getattr(tmp_path / "b.mp4", link)(tmp_path / "a.mp4")
    one, two = Video(path=str(tmp_path / "a.mp4")), Video(path=str(tmp_path / "b.mp4"))
    assert check_disjoint([_source(one)], [_source(two, 5)]) == f"both take frames of {tmp_path / 'a.mp4'}"


def test_a_copy_of_a_video_is_the_same_scene(tmp_path):
    first, copy, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    for file, content in ((first, b"12"), (copy, b"12"), (other, b"13")):
        file.write_bytes(content)
    one = Video(path=str(first))
    assert check_disjoint([_source(one)], [_source(Video(path=str(other)))]) is None
    assert (
        check_disjoint([_source(one)], [_source(Video(path=str(copy)), 5)]) == f"{copy} is a copy of {first}"
    )


def test_folders_share_files(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).touch()
    one, rest = Images(path=str(tmp_path), include=("a*",)), Images(path=str(tmp_path), exclude=("a.png",))
    assert check_disjoint([_source(one)], [_source(rest)]) is None
    everything = Images(path=str(tmp_path))
    assert check_disjoint([_source(everything, 1)], [_source(one)]) is None
    assert check_disjoint([_source(everything)], [_source(rest)]) == f"both take {tmp_path / 'b.png'}"


def test_folders_share_files_by_other_paths(tmp_path):
    (tmp_path / "real").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "real" / name).touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed/own.png").symlink_to(tmp_path / "real/b.png")
    (tmp_path / "mixed/gone.png").symlink_to(tmp_path / "nowhere.png")
    one = Images(path=str(tmp_path / "real"))
    for other, shared in (("folder", "folder/a.png"), ("mixed", "mixed/own.png")):
        theirs = Images(path=str(tmp_path / other))
        assert check_disjoint([_source(one)], [_source(theirs)]) == f"both take {tmp_path / shared}"
    only = Images(path=str(tmp_path / "real"), include=("a*",))
    assert check_disjoint([_source(only)], [_source(Images(path=str(tmp_path / "mixed")))]) is None


def test_packages_share_members():
    some, more = (
        PackageImages(package="pack", members=("pack/a*.jpg",)),
        PackageImages(package="pack", members=("pack/b.jpg", "pack/ab.jpg"), shrink=2),
    )
    assert "pack/a*.jpg from the package pack" in str(check_disjoint([_source(some)], [_source(more)]))
    other = PackageImages(package="pack", members=("pack/b.jpg",))
    assert check_disjoint([_source(some)], [_source(other)]) is None
    elsewhere = Source(more, PackageFile("other", "1.0", "0" * 64))
    assert check_disjoint([_source(some)], [elsewhere]) is None
    panorama = PackageImages(package="pack", members=("pack/p*.jpg",))
    assert "pack/pano.jpg" in str(check_disjoint([_source(VIEW)], [_source(panorama)]))
    assert "pack/pano.jpg" in str(check_disjoint([_source(panorama)], [_source(VIEW)]))
