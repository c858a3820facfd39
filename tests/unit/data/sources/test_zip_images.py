"""Images in zip archives: the choice of members, reading in place, and archives that can't be trusted."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superres.data.sources.images import Images
from superres.data.sources.registry import check_source, open_source
from superres.data.sources.source import FrameRange, PinnedFile, Source, check_disjoint
from superres.data.sources.zip_images import ZipImages, read_member, zip_members
from superres.device.base.errors import UserError

ALL = FrameRange()


def png(height: int, width: int, seed: int = 0, **options: object) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def pack(path: Path, *members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def source(path: Path, include: str = "*", exclude: tuple[str, ...] = (), frames: FrameRange = ALL) -> Source:
    return Source(ZipImages(path=str(path), include=(include,), exclude=exclude, frames=frames))


def photographs(folder: Path) -> Path:
    members = [(f"DIV/{k:04d}.png", png(6 + k, 9 + k, k)) for k in (3, 1, 2)]
    return pack(
        folder / "a.zip",
        *members,
        ("DIV/notes.txt", b"no image"),
        ("__MACOSX/DIV/0001.png", b"junk"),
        ("DIV/", b""),
    )


def test_images_of_an_archive_are_those_of_its_folder(tmp_path: Path):
    archive = photographs(tmp_path)
    before = archive.stat()
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "folder")
    zipped = open_source(source(archive), tmp_path)
    unpacked = open_source(Source(Images(path=str(tmp_path / "folder/DIV"))), tmp_path)
    assert zipped.names == unpacked.names == ["0001.png", "0002.png", "0003.png"]
    assert zipped.shapes == unpacked.shapes == [(7, 10), (8, 11), (9, 12)]
    for k in range(3):
        assert np.array_equal(zipped.read(k), unpacked.read(k))
        assert zipped.origin(k) == unpacked.origin(k)
    assert (archive.stat().st_mtime_ns, archive.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "folder"}


def test_patterns_and_ranges_choose(tmp_path: Path):
    archive = photographs(tmp_path)
    assert open_source(source(archive, "DIV/*[12].png"), tmp_path).names == ["0001.png", "0002.png"]
    assert open_source(source(archive, exclude=("*2.png",)), tmp_path).names == ["0001.png", "0003.png"]
    assert open_source(source(archive, frames=FrameRange(first=1, count=2)), tmp_path).names == [
        "0002.png",
        "0003.png",
    ]
    with pytest.raises(
        UserError, match=r"a\.zip: expected at least one image .*\['\*\.jpg'\].*found none among 6"
    ):
        check_source(source(archive, "*.jpg"))
    with pytest.raises(UserError, match=r"a\.zip: expected a frame at index 3"):
        check_source(source(archive, frames=FrameRange(first=3)))


def test_orientation_is_seen_in_the_archive_too(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = open_source(source(pack(tmp_path / "a.zip", ("a.png", png(6, 10, exif=exif)))), tmp_path)
    assert turned.shapes == [(10, 6)] and turned.read(0).shape == (10, 6, 3)


@pytest.mark.parametrize(
    "name", ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "a\\..\\b.png", "..", "x/.."]
)
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str):
    archive = pack(tmp_path / "a.zip", ("a.png", png(4, 4)), (name, png(4, 4)))
    with pytest.raises(UserError, match=r"a\.zip: expected names that stay inside the archive, found "):
        check_source(source(archive))
    with pytest.raises(UserError, match="stay inside"):
        open_source(source(archive), tmp_path)


def test_a_name_twice_is_refused(tmp_path: Path):
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = pack(tmp_path / "a.zip", ("a.png", png(4, 4)), ("a.png", png(4, 4, 1)))
    with pytest.raises(UserError, match=r"expected each name once, found 'a\.png' twice"):
        zip_members(str(archive), ZipImages())


def test_absurd_compression_is_refused_before_anything_is_read(tmp_path: Path):
    bomb = pack(tmp_path / "a.zip", ("a.bmp", bytes(64 << 20)))
    assert bomb.stat().st_size < 100_000
    with pytest.raises(UserError, match=rf"a\.zip: expected photographs, found a\.bmp with {64 << 20} bytes"):
        check_source(source(bomb))
    # Small files may be compressed well, such as a drawing of one colour.
    check_source(source(pack(tmp_path / "b.zip", ("a.bmp", bytes(1 << 20)))))


def test_a_picture_of_absurd_size_is_refused(tmp_path: Path):
    """A small PNG with 100 gigapixels in its header."""
    head = struct.pack(">IIBBBBB", 400_000, 250_000, 8, 2, 0, 0, 0)
    archive = pack(
        tmp_path / "a.zip", ("a.png", png(4, 4).replace(struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0), head))
    )
    with pytest.raises(UserError, match=r"a\.zip: a\.png: expected an image that can be decoded"):
        open_source(source(archive), tmp_path).read(0)


def test_an_encrypted_image_is_refused(tmp_path: Path):
    archive = pack(tmp_path / "a.zip", ("a.png", png(4, 4)))
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"found a\.png encrypted; pack it again"):
        check_source(source(archive))


@pytest.mark.parametrize("kept", [0.3, 0.99, 0.001])
def test_a_truncated_archive_is_named(tmp_path: Path, kept: float):
    archive = photographs(tmp_path)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(
        UserError, match=r"a\.zip: expected a zip archive, found it damaged or cut off .*fetch it again"
    ):
        check_source(source(archive))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_named(tmp_path: Path, method: int):
    archive = pack(tmp_path / "a.zip", ("a.png", png(4, 4)), ("b.png", png(64, 64, 1)), method=method)
    content = bytearray(archive.read_bytes())
    at = content.index(b"b.png") + 2000
    content[at : at + 50] = bytes(50)
    archive.write_bytes(content)
    assert read_member(archive, "a.png") == png(4, 4)
    with pytest.raises(UserError, match=r"a\.zip: expected b\.png whole, found it damaged"):
        read_member(archive, "b.png")
    with pytest.raises(UserError, match=r"a\.zip: expected b\.png whole, found it damaged"):
        open_source(source(archive), tmp_path)


def test_no_archive_at_all(tmp_path: Path):
    with pytest.raises(UserError, match=r"gone\.zip: expected a zip archive, found nothing there"):
        check_source(source(tmp_path / "gone.zip"))
    (tmp_path / "page.zip").write_text("<html>")
    with pytest.raises(UserError, match=r"page\.zip: expected a zip archive, found a web page"):
        check_source(source(tmp_path / "page.zip"))


def test_shared_members_of_an_archive(tmp_path: Path):
    archive = photographs(tmp_path)
    one, two = source(archive, "DIV/*[12].png"), source(archive, "*3.png")
    assert check_disjoint([one], [two]) is None
    assert check_disjoint([one], [source(archive)]) == f"both take DIV/0001.png of {archive}"
    assert (
        check_disjoint(
            [source(archive, frames=FrameRange(count=2))], [source(archive, frames=FrameRange(first=2))]
        )
        is None
    )


def test_shared_images_of_an_archive_to_be_fetched():
    pinned = PinnedFile("later.zip", 10, "0" * 64, "error", "")
    assert not Path(pinned.path).exists()

    def chosen(include: str, first: int = 0, count: int | None = None) -> Source:
        frames = FrameRange(first=first, count=count)
        return Source(ZipImages(file=pinned.name, include=(include,), frames=frames), pinned=pinned)

    check_source(chosen("*"))
    assert check_disjoint([chosen("*", 0, 700)], [chosen("*", 700)]) is None
    assert (
        check_disjoint([chosen("*", 0, 701)], [chosen("*", 700)]) == f"both take image 700 of {pinned.path}"
    )
    # The pictures' hashes show later whether these overlap.
    assert check_disjoint([chosen("a*")], [chosen("b*")]) is None
