"""A study's mistakes about its files are one-line errors before any work starts."""

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from superres.data.sources.images import Images, image_files
from superres.data.sources.package_images import PackageImages
from superres.data.sources.registry import AnySource, check_source
from superres.data.sources.source import FrameRange, PackageFile, Source
from superres.data.sources.turning_view import TurningView
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError
from videos import write_video

VIEW = {
    "type": "turning-view",
    "package": "pack",
    "member": "pack/pano.jpg",
    "count": 24,
    "width": 1920,
    "height": 1080,
    "fov": 110,
    "yaw": 0,
}
KINDS = TypeAdapter(AnySource)
INSTALLED = PackageFile("matplotlib", None, None)


def _write_images(folder, *names):
    for name in names:
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / name)


def _mistake(kind, package=None):
    with pytest.raises(UserError) as found:
        check_source(Source(kind, package))
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_folder_lists_its_images_by_name(tmp_path):
    _write_images(tmp_path, "b.png", "a.JPG", "c.bmp", "b2.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.d").mkdir()
    names = [file.name for file in image_files(Images(path=str(tmp_path), exclude=("c*",)))]
    assert names == ["a.JPG", "b.png", "b2.png"]
    some = Images(path=str(tmp_path), include=("b*", "c*"), exclude=("b2*",))
    assert [file.name for file in image_files(some)] == ["b.png", "c.bmp"]


def test_sound_sources_pass(tmp_path):
    _write_images(tmp_path, "a.png", "b.png")
    write_video(tmp_path / "v.avi")
    (tmp_path / "v.y4m").write_bytes(b"YUV4MPEG2 W2 H2 C444\n" + 2 * (b"FRAME\n" + bytes(12)))
    check_source(Source(Images(path=str(tmp_path), frames=FrameRange(first=1, count=1))))
    check_source(Source(Y4m(path=str(tmp_path / "v.y4m"), frames=FrameRange(count=2))))
    check_source(Source(Video(path=str(tmp_path / "v.avi"), frames=FrameRange(count=8))))
    check_source(Source(TurningView(**VIEW), PackageFile("pack", "1.0", "0" * 64)))
    member = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"
    check_source(Source(PackageImages(package="matplotlib", members=(member,), shrink=2), INSTALLED))


def test_missing_files_and_folders(tmp_path):
    assert "expected a folder at" in _mistake(Images(path=str(tmp_path / "gone")))
    assert "found nothing" in _mistake(Video(path=str(tmp_path / "gone.mp4")))
    assert "found a folder" in _mistake(Y4m(path=str(tmp_path)))
    assert "found none" in _mistake(Images(path=str(tmp_path), include=("*.png",)))
    gone = PackageImages(package="matplotlib", members=("gone*",))
    assert "matches gone*" in _mistake(gone, INSTALLED)


def test_ranges_outside_a_source(tmp_path):
    _write_images(tmp_path, "a.png", "b.png")
    folder = Images(path=str(tmp_path), frames=FrameRange(first=1, count=2))
    assert "first 1, count 2, stride 1), found 2 frames" in _mistake(folder)
    path = tmp_path / "v.y4m"
    path.write_bytes(b"YUV4MPEG2 W2 H2 C444\n" + 2 * (b"FRAME\n" + bytes(12)))
    assert "found 2 frames" in _mistake(Y4m(path=str(path), frames=FrameRange(first=2)))
    path.write_bytes(path.read_bytes()[:-5])
    assert "found 1 and a part of the next, which lacks 5 bytes" in _mistake(Y4m(path=str(path)))


def test_only_images_in_range_are_opened(tmp_path):
    _write_images(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    folder = Images(path=str(tmp_path))
    check_source(Source(Images(path=str(tmp_path), frames=FrameRange(count=1))))
    assert f"{tmp_path / 'b.png'}: expected an image that can be decoded" in _mistake(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 14}, "width\n.*greater than or equal to 16"),
        ({"fov": 170}, "fov\n.*less than 170"),
        ({"pitch": 61}, "pitch\n.*less than or equal to 60"),
        ({"supersampling": 0}, "supersampling\n.*greater than or equal to 1"),
        ({"count": 1.5}, "count\n.*valid integer"),
        ({"yaw": float("inf")}, "yaw\n.*finite"),
        ({"yaw": "1"}, "yaw\n.*valid number"),
        ({"fow": 1}, "fow\n.*not permitted"),
        ({"type": "film"}, "type"),
    ],
)
def test_impossible_views(change, message):
    with pytest.raises(ValidationError, match=message):
        KINDS.validate_python({**VIEW, **change})
