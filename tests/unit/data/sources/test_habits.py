"""What people's folders and archives hold besides images, and images that hold more than one picture."""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from superres.data.sources import pictures
from superres.data.sources.images import Images, image_files
from superres.data.sources.package_images import PackageImages, match_members, open_member
from superres.data.sources.pictures import picture_size, read_picture
from superres.data.sources.registry import check_source, open_source
from superres.data.sources.source import FrameRange, PackageFile, PinnedFile, Source
from superres.data.sources.zip_images import ZipImages, zip_members
from superres.device.base.errors import UserError

LEFT_BEHIND = ("._a.png", ".DS_Store", "Thumbs.db", "__MACOSX/._a.png", "desktop.ini", "in/__MACOSX/a.png")


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def encoded(seed: int = 0, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed)).save(buffer, kind, **options)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


def test_what_systems_leave_beside_images_is_passed_over(tmp_path: Path):
    for name in ("a.png", *LEFT_BEHIND):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded() if name == "a.png" else b"of the system")
    (tmp_path / "photos/folder.png").mkdir()
    assert image_files(Images(path=str(tmp_path / "photos"))) == [tmp_path / "photos/a.png"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("in/a.png", *LEFT_BEHIND, "folder.png/"):
            archive.writestr(name, encoded() if name == "in/a.png" else b"of the system")
    assert zip_members(str(tmp_path / "a.zip"), ZipImages(path=str(tmp_path / "a.zip"))) == ["in/a.png"]
    (tmp_path / "a.zip").rename(tmp_path / "p-1.whl")
    assert match_members(PackageFile("p", "1", "0"), ["*.png"], tmp_path) == ["in/a.png"]


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9.png"), "two\nlines.png"])
def test_a_name_that_fits_into_no_line_is_refused_before_any_work(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(encoded())
    with pytest.raises(
        UserError, match=r"expected names in UTF-8 without line breaks, found b'.*\.png'"
    ) as said:
        check_source(Source(Images(path=str(tmp_path))))
    assert str(said.value).isprintable()


@pytest.mark.parametrize("name", ["two\nlines.png", "\x1b[31mred.png", "a\u2028b.png"])
def test_a_name_in_an_archive_that_fits_into_no_line_is_refused(tmp_path: Path, name: str):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, encoded())
    with pytest.raises(
        UserError, match=r"a\.zip: expected names in UTF-8 without line breaks, found b'"
    ) as said:
        check_source(Source(ZipImages(path=str(tmp_path / "a.zip"))))
    assert str(said.value).isprintable()


def test_pictures_of_kinds_that_are_not_read_are_said(tmp_path: Path):
    others = ("b.HEIC", "c.avif", "d.gif", "out/e.avif")
    for name in ("a.png", *others, "f.txt", "._g.heic"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(encoded())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a.png", *others, "f.txt"):
            archive.writestr(name, encoded())
    folder, zipped = Images(path=str(tmp_path / "photos")), ZipImages(path=str(tmp_path / "a.zip"))
    for kind, number in ((folder, 3), (zipped, 4)):
        check_source(Source(kind))
        (line,) = kind.notes(Source(kind))
        assert f"left out {number} pictures of kinds that aren't read, such as 'b.HEIC'" in line
    wanted = Images(path=str(tmp_path / "photos"), include=("*.png",))
    assert wanted.notes(Source(wanted)) == []


def test_a_pipe_is_no_image_and_no_archive(tmp_path: Path):
    """Opening one waits for somebody to write into it."""
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: expected a file, found a pipe or a device; exclude it"):
        check_source(Source(Images(path=str(tmp_path))))
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(UserError, match=r"a\.zip: expected a zip archive, found a pipe or a device"):
        check_source(Source(ZipImages(path=str(tmp_path / "a.zip"))))


@pytest.mark.parametrize("name", ["a {b}.png", 'it\'s "a".png', "ü 日本 50%.png", "at 9.41\u202fAM.png"])
def test_any_other_name_is_taken(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(encoded())
    assert open_source(Source(Images(path=str(tmp_path))), tmp_path).names == [name]


def packed_by(path: Path, method: int) -> Path:
    """An archive whose headers name another method than the one that packed it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", encoded())
    content = bytearray(path.read_bytes())
    for header, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = content.index(header) + offset
        content[at : at + 2] = method.to_bytes(2, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("method", "name"),
    [(9, "Deflate64"), (95, "XZ"), (98, "PPMd"), (1, "Shrink"), (77, "an unknown method")],
)
def test_a_method_of_packing_that_python_lacks_is_named(tmp_path: Path, method: int, name: str):
    archive = packed_by(tmp_path / "a.zip", method)
    with pytest.raises(UserError, match=rf"found a\.png packed by {name} \(method {method}\); unpack"):
        check_source(Source(ZipImages(path=str(archive))))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_methods_of_packing_are_read(tmp_path: Path, method: int):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.png", encoded())
    reader = open_source(Source(ZipImages(path=str(tmp_path / "a.zip"))), tmp_path)
    assert np.array_equal(reader.read(0), pixels())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "zip64"])
def test_streamed_and_zip64_archives_are_read(tmp_path: Path, stream: bool):
    """A streamed member has its sizes behind it; a large archive has them in 64 bits."""

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.content += bytes(data)  # pyright: ignore[reportArgumentType]
            return len(bytes(data))  # pyright: ignore[reportArgumentType]

    pipe = Pipe() if stream else io.BytesIO()
    with (
        zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.png", "w", force_zip64=not stream) as member,
    ):
        member.write(encoded())
    content = bytes(pipe.content) if isinstance(pipe, Pipe) else pipe.getvalue()
    (tmp_path / "a.zip").write_bytes(content)
    reader = open_source(Source(ZipImages(path=str(tmp_path / "a.zip"))), tmp_path)
    assert np.array_equal(reader.read(0), pixels())


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_flipped_byte_in_a_wheel_is_one_line(tmp_path: Path, method: int):
    wheel = tmp_path / "p-1.whl"
    with zipfile.ZipFile(wheel, "w", method) as archive:
        archive.writestr("p/a.png", encoded())
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 0xFF
    wheel.write_bytes(content)
    with pytest.raises(
        UserError, match=r"p-1\.whl: expected p/a\.png whole, found it damaged \(.+\); delete"
    ):
        open_member(PackageFile("p", "1", "0"), "p/a.png", tmp_path)


def test_messages_name_no_object_of_python(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"no image at all")
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.png", b"no image at all")
    sources = [Source(Images(path=str(tmp_path))), Source(ZipImages(path=str(archive)))]
    for source in sources:
        with pytest.raises(UserError, match="found: a file that is no image of a known kind;") as said:
            open_source(source, tmp_path)
        assert "<" not in str(said.value)
    with pytest.raises(UserError, match="no image of a known kind"):
        read_picture(b"nor this", "a.png")


SEVERAL: dict[str, Callable[[], bytes]] = {
    f"{kind} {suffix}": lambda kind=kind: encoded(
        0,
        kind,
        save_all=True,
        append_images=[Image.fromarray(pixels(seed)) for seed in (1, 2)],
        **LOSSLESS[kind],
    )
    for kind, suffix in (("PNG", ".png"), ("WEBP", ".webp"), ("TIFF", ".tif"), ("MPO", ".jpg"))
}
LOSSLESS: dict[str, dict[str, object]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "MPO": {"quality": 100, "subsampling": 0},
}


@pytest.mark.parametrize("name", SEVERAL)
def test_of_several_pictures_the_first_is_used_and_that_is_said(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    kind, suffix = name.split()
    content = SEVERAL[name]()
    (tmp_path / f"a{suffix}").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(f"a{suffix}", content)
    (tmp_path / "p-1.whl").write_bytes((tmp_path / "a.zip").read_bytes())
    package = PackageFile("p", "1", "0")
    sources = [
        Source(Images(path=str(tmp_path), include=(f"a{suffix}",))),
        Source(ZipImages(path=str(tmp_path / "a.zip"))),
        Source(PackageImages(package="p", members=(f"a{suffix}",)), package),
    ]
    for source in sources:
        monkeypatch.setattr(pictures, "_said", set())
        frame = open_source(source, tmp_path).read(0).astype(int)
        assert abs(frame - pixels()).max() == 0 or (kind == "MPO" and abs(frame - pixels()).mean() < 3)
        said = capsys.readouterr().err
        assert f"a{suffix}: {kind} file with 3 pictures, of which the first is used" in said
        assert said.count("\n") == 1


def test_a_broken_second_page_leaves_the_first_usable():
    content = SEVERAL["TIFF .tif"]()
    assert np.array_equal(read_picture(content, "a.tif"), pixels())
    # The chain of pages leads behind the file's end.
    whole = bytearray(content)
    first = int.from_bytes(whole[4:8], "little")
    entries = int.from_bytes(whole[first : first + 2], "little")
    link = first + 2 + 12 * entries
    whole[link : link + 4] = (len(whole) + 1000).to_bytes(4, "little")
    assert np.array_equal(read_picture(bytes(whole), "a.tif"), pixels())


def test_sources_tell_their_number_where_names_do(tmp_path: Path):
    for k in range(3):
        (tmp_path / f"{k}.png").write_bytes(encoded(k))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for k in range(4):
            archive.writestr(f"{k}.png", encoded(k))
    (tmp_path / "photos").mkdir()
    two = FrameRange(first=1, stride=2)
    folder = Source(Images(path=str(tmp_path)))
    assert folder.kind.number(folder) == 3
    zipped = Source(ZipImages(path=str(tmp_path / "a.zip"), frames=two))
    assert zipped.kind.number(zipped) == 2
    later = Source(ZipImages(file="a.zip"), None, PinnedFile("gone.zip", 1, "0" * 64, "error", ""))
    assert later.kind.number(later) is None


@pytest.mark.parametrize("mode", ["CMYK", "L", "I;16", "P", "RGBA"])
def test_images_of_every_mode_are_read(mode: str, tmp_path: Path):
    grey = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8)
    image = (
        Image.fromarray(grey.astype(np.uint16) * 257)
        if mode == "I;16"
        else Image.fromarray(grey).convert(mode)
    )
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(file)
    assert picture_size(file, "a") == (32, 48)
    assert np.array_equal(read_picture(file, "a"), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_upright_by_their_exif(orientation: int, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.png").write_bytes(encoded(exif=exif))
    turned = {1: pixels(), 3: pixels()[::-1, ::-1], 6: np.rot90(pixels(), -1), 8: np.rot90(pixels())}
    read = read_picture(tmp_path / "a.png", "a")
    assert read.shape[:2] == picture_size(tmp_path / "a.png", "a")
    if orientation in turned:
        assert np.array_equal(read, turned[orientation])
