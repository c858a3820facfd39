"""What a study gets wrong about its files is said before any work starts, in one line."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from superres.data.sources.check_files import check_source, image_files
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
from superres.device.base.errors import UserError

VIEW = TurningView(PackageFile("pack", "1.0", "0" * 64), "pack/pano.jpg", 24, 1920, 1080, 110, 0, 0.36, 4, 2)


def _write_images(folder, *names):
    for name in names:
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / name)


def _mistake(kind, frames=FrameRange()):  # noqa: B008
    with pytest.raises(UserError) as found:
        check_source(Source(kind, frames))
    assert "\n" not in str(found.value)
    return str(found.value)


def test_a_folder_lists_its_images_by_name(tmp_path):
    _write_images(tmp_path, "b.png", "a.JPG", "c.bmp", "b2.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.d").mkdir()
    names = [file.name for file in image_files(Images(str(tmp_path), (), ("c*",)))]
    assert names == ["a.JPG", "b.png", "b2.png"]
    assert [f.name for f in image_files(Images(str(tmp_path), ("b*", "c*"), ("b2*",)))] == ["b.png", "c.bmp"]


def test_what_is_right_passes(tmp_path):
    _write_images(tmp_path, "a.png", "b.png")
    (tmp_path / "v.avi").touch()
    (tmp_path / "v.y4m").write_bytes(b"YUV4MPEG2 W2 H2 C444\n" + 2 * (b"FRAME\n" + bytes(12)))
    check_source(Source(Images(str(tmp_path), (), ()), FrameRange(1, 1)))
    check_source(Source(Y4m(str(tmp_path / "v.y4m"), "bt709", "limited", "auto"), FrameRange(0, 2)))
    check_source(Source(Video(str(tmp_path / "v.avi")), FrameRange(0, 99)))
    check_source(Source(VIEW, FrameRange(0, 24)))
    member = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"
    check_source(Source(PackageImages(PackageFile("matplotlib", None, None), (member,), 2), FrameRange()))


def test_missing_files_and_folders(tmp_path):
    assert "expected a folder at" in _mistake(Images(str(tmp_path / "gone"), (), ()))
    assert "found nothing" in _mistake(Video(str(tmp_path / "gone.mp4")))
    assert "found a folder" in _mistake(Y4m(str(tmp_path), "bt709", "limited", "auto"))
    assert "found none" in _mistake(Images(str(tmp_path), ("*.png",), ()))
    assert "matches gone*" in _mistake(PackageImages(PackageFile("matplotlib", None, None), ("gone*",), 1))


def test_ranges_outside_a_source(tmp_path):
    _write_images(tmp_path, "a.png", "b.png")
    folder = Images(str(tmp_path), (), ())
    assert "first 1, count 2, stride 1), found 2 frames" in _mistake(folder, FrameRange(1, 2))
    assert "found 24 frames" in _mistake(VIEW, FrameRange(0, 25))
    path = tmp_path / "v.y4m"
    path.write_bytes(b"YUV4MPEG2 W2 H2 C444\n" + 2 * (b"FRAME\n" + bytes(12)))
    video = Y4m(str(path), "bt709", "limited", "auto")
    assert "found 2 frames" in _mistake(video, FrameRange(2))
    path.write_bytes(path.read_bytes()[:-5])
    assert "found 1 and a part of the next, which lacks 5 bytes" in _mistake(video)
    path.with_suffix(".avi").touch()
    assert "stride >= 1" in _mistake(Video(str(path.with_suffix(".avi"))), FrameRange(0, 1, 0))


def test_only_images_in_range_are_opened(tmp_path):
    _write_images(tmp_path, "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    folder = Images(str(tmp_path), (), ())
    check_source(Source(folder, FrameRange(0, 1)))
    assert f"{tmp_path / 'b.png'}: expected an image that can be decoded" in _mistake(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 1921}, "even width and height, found 1921x1080"),
        ({"fov": 180}, "0 < fov < 180 degrees, found 180"),
        ({"pitch": 91}, "pitch of -90 to 90 degrees, found 91"),
        ({"supersampling": 0}, "supersampling >= 1"),
    ],
)
def test_views_that_cannot_be(change, message):
    assert message in _mistake(replace(VIEW, **change))
    assert "shrink >= 1" in _mistake(PackageImages(VIEW.package, ("*",), 0))
