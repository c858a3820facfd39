"""Every kind of source returns the frames that the tests wrote into its files."""

import hashlib
import io
import zipfile
from typing import Any

import numpy as np
import pytest
from PIL import Image

from superres.data.sources.images import Images
from superres.data.sources.package_images import PackageImages
from superres.data.sources.reading import picture_digest
from superres.data.sources.registry import open_source
from superres.data.sources.source import FrameRange, PackageFile, Source
from superres.data.sources.turning_view import TurningView, render_view
from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError

RNG = np.random.default_rng(7)
PACKAGE = PackageFile("photos", "1.0", "0" * 64)


def _picture(height, width):
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _wheel(folder, **pictures):
    with zipfile.ZipFile(folder / "photos-1.0.whl", "w") as archive:
        for name, picture in pictures.items():
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "PNG")
            archive.writestr(f"photos/{name}.png", stream.getvalue())


def _open(kind, folder, first=0, count=None, stride=1):
    if not isinstance(kind, TurningView):
        kind = kind.model_copy(update={"frames": FrameRange(first=first, count=count, stride=stride)})
    return open_source(Source(kind, PACKAGE if hasattr(kind, "package") else None), folder)


def test_a_folder_of_images_of_any_sizes(tmp_path):
    pictures = {"a.png": _picture(6, 8), "b.png": _picture(7, 9), "c.png": _picture(4, 4)}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / name)
    reader = _open(Images(path=str(tmp_path)), tmp_path)
    assert len(reader) == 3
    assert reader.names == ["a.png", "b.png", "c.png"]
    assert reader.shapes == [(6, 8), (7, 9), (4, 4)]
    assert np.array_equal(reader.read(0), pictures["a.png"])
    assert np.array_equal(reader.read(1), pictures["b.png"])
    strided = _open(Images(path=str(tmp_path)), tmp_path, 0, 2, 2)
    assert strided.names == ["a.png", "c.png"]


def test_digest_is_over_the_size_and_the_whole_picture(tmp_path):
    picture = _picture(7, 9)
    Image.fromarray(picture).save(tmp_path / "a.png")
    Image.fromarray(picture).save(tmp_path / "b.bmp")
    reader = _open(Images(path=str(tmp_path)), tmp_path)
    origins = [reader.origin(i) for i in range(len(reader))]
    expected = hashlib.sha256(b"9x7\n" + picture.tobytes()).hexdigest()
    assert [(o.name, o.sha256, o.yaw_degrees) for o in origins] == [
        ("a.png", expected, None),
        ("b.bmp", expected, None),
    ]


def test_packaged_images_are_shrunk_by_averaging(tmp_path):
    picture = _picture(15, 26)
    _wheel(tmp_path, a=picture)
    reader = _open(PackageImages(package="photos", members=("photos/*.png",), shrink=3), tmp_path)
    assert reader.shapes == [(5, 8)]
    mean = picture[:15, :24].reshape(5, 3, 8, 3, 3).astype(float).mean((1, 3))
    assert np.abs(reader.read(0) - mean).max() <= 0.5 + 1e-6
    assert reader.origin(0).sha256 == picture_digest(picture)


def test_a_turning_view_renders_its_frames(tmp_path):
    panorama = _picture(64, 128)
    _wheel(tmp_path, pano=panorama)
    size: dict[str, Any] = {"width": 32, "height": 18, "fov": 60}
    view = TurningView(
        package="photos", member="photos/pano.png", count=4, yaw=10, yaw_step=5, pitch=4, **size
    )
    reader = _open(view, tmp_path)
    assert reader.names == ["pano-0000", "pano-0001", "pano-0002", "pano-0003"]
    expected = render_view(panorama, yaw=25, pitch=4, fov=60, width=32, height=18, supersampling=2)
    assert np.array_equal(reader.read(3), expected)
    origin = reader.origin(3)
    assert origin.sha256 == picture_digest(panorama)
    assert origin.yaw_degrees is not None
    assert sum(origin.yaw_degrees) / 2 == pytest.approx(25)


def test_y4m_frames_in_range(tmp_path):
    path = tmp_path / "clip.y4m"
    frames = [b"FRAME\n" + bytes([level]) * 16 + bytes([128]) * 8 for level in (16, 125, 235)]
    path.write_bytes(b"YUV4MPEG2 W4 H4 C420jpeg\n" + b"".join(frames))
    kind = Y4m(path=str(path))
    reader = _open(kind, tmp_path, 0, None, 2)
    assert reader.names == ["clip-0000", "clip-0002"]
    assert (reader.read(0) == 0).all()
    assert (reader.read(1) == 255).all()
    full = _open(Y4m(path=str(path), range="full"), tmp_path)
    assert (full.read(1) == 125).all()


def test_y4m_siting_is_the_tags_unless_the_study_says(tmp_path):
    planes = RNG.integers(0, 256, 24, dtype=np.uint8).tobytes()
    for tag in ("420jpeg", "420mpeg2"):
        (tmp_path / f"{tag}.y4m").write_bytes(f"YUV4MPEG2 W4 H4 C{tag}\nFRAME\n".encode() + planes)

    def frame(tag, siting):
        return _open(Y4m(path=str(tmp_path / f"{tag}.y4m"), siting=siting), tmp_path).read(0)

    assert np.array_equal(frame("420jpeg", "auto"), frame("420mpeg2", "center"))
    assert np.array_equal(frame("420mpeg2", "auto"), frame("420jpeg", "left"))
    assert not np.array_equal(frame("420jpeg", "auto"), frame("420mpeg2", "auto"))


def test_ranges_outside_a_package(tmp_path):
    _wheel(tmp_path, a=_picture(4, 4))
    with pytest.raises(UserError, match=r"package photos: .* found 1 frame;"):
        _open(PackageImages(package="photos", members=("*.png",)), tmp_path, 1)
