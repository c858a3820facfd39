"""Images and archives with bytes changed at random: either all frames are right, or one line says why not."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from PIL import Image

from spoilt import frames_or_line, fuzz, spoilt
from superres.data.sources.images import Images
from superres.data.sources.source import Source
from superres.data.sources.zip_images import ZipImages

# What Pillow says of damaged tags, thousands of times.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
HEIGHT, WIDTH = 12, 16
RNG = np.random.default_rng(0)
RGB = Image.fromarray(RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
DEEP = Image.fromarray(RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16))


def written(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


# A small image of each kind that is read, by its suffix.
IMAGES: list[tuple[str, bytes]] = [
    (".png", written(RGB, "PNG")),
    (".png", written(RGB.quantize(16), "PNG", optimize=True)),
    (".png", written(DEEP, "PNG")),
    (".png", written(RGB.convert("LA"), "PNG", exif=turned(), icc_profile=b"profile")),
    (".png", written(RGB, "PNG", save_all=True, append_images=[RGB.rotate(180)])),
    (".jpg", written(RGB, "JPEG", exif=turned())),
    (".jpg", written(RGB, "JPEG", progressive=True)),
    (".jpg", written(RGB.convert("CMYK"), "JPEG")),
    (".tif", written(RGB, "TIFF")),
    (".tif", written(RGB, "TIFF", compression="tiff_lzw")),
    (".tif", written(DEEP, "TIFF", compression="tiff_adobe_deflate")),
    (".tif", written(RGB, "TIFF", save_all=True, append_images=[RGB])),
    (".bmp", written(RGB, "BMP")),
    (".webp", written(RGB, "WEBP", lossless=True)),
    (".webp", written(RGB, "WEBP")),
    (".webp", written(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(180)])),
    (".jp2", written(RGB, "JPEG2000")),
    (".j2k", written(RGB, "JPEG2000", irreversible=True, no_jp2=True)),
    (".ppm", written(RGB, "PPM")),
    (".pgm", written(DEEP, "PPM")),
]
ARCHIVED = ("a.png", "b.jpg", "c.bmp")


def archive(method: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as opened:
        for name, form in zip(ARCHIVED, ("PNG", "JPEG", "BMP"), strict=True):
            opened.writestr(zipfile.ZipInfo(name), written(RGB, form), method)
    return stream.getvalue()


ARCHIVES = [
    archive(method)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def read_image(folder: Path, suffix: str, content: bytes) -> list[np.ndarray]:
    for old in folder.iterdir():
        old.unlink()
    (folder / f"a{suffix}").write_bytes(content)
    return frames_or_line(Source(Images(path=str(folder))), str(folder))


@fuzz(800)
@given(spoilt([content for _, content in IMAGES]))
def test_an_image_or_one_line(folder: Path, changed: tuple[int, bytes]):
    suffix, whole = IMAGES[changed[0]]
    for frame in read_image(folder, suffix, changed[1]):
        # A header may state any size up to Pillow's limit: what compresses well needs few bytes.
        assert frame.size <= 3 * 2 * (Image.MAX_IMAGE_PIXELS or 0)
        turns_as_before = b"eXIf" in changed[1] or b"eXIf" not in whole
        if suffix == ".png" and b"IEND" in changed[1] and turns_as_before:
            # Parts have checksums; without a whole one a file is sound.
            (expected,) = read_image(folder, suffix, whole)
            assert np.array_equal(frame, expected)


def test_a_part_whose_name_is_damaged_is_one_printable_line(folder: Path):
    suffix, whole = next(image for image in IMAGES if image[0] == ".png")
    # `read_image` looks at the line.
    assert read_image(folder, suffix, whole.replace(b"IEND", b"I\x00ND")) == []


def test_a_damaged_orientation_behind_the_pixels_is_one_line(folder: Path):
    suffix, whole = next(image for image in IMAGES if b"eXIf" in image[1])
    (upright,) = read_image(folder, suffix, whole)
    at, pixels = whole.index(b"eXIf") - 4, whole.index(b"IDAT") - 4
    behind = whole[:at] + whole[pixels:-12] + whole[at:pixels]
    for end in (whole[-12:], whole[-12:] + b"\0\0\0\4XXXXappended"):
        (frame,) = read_image(folder, suffix, behind + end)
        assert np.array_equal(frame, upright)
    turned_on = behind.replace(b"\x00\x01\x00\x06", b"\x00\x01\x00\x08")
    assert turned_on != behind and read_image(folder, suffix, turned_on + whole[-12:]) == []


@pytest.mark.parametrize("kind", [2, 5, 7, 10, 11, 12])
def test_numbers_of_another_type_in_a_tiff_are_one_line(folder: Path, kind: int):
    """Where its pixels lie, as text, bytes, fractions or floats."""
    suffix, whole = next(image for image in IMAGES if image[0] == ".tif")
    place = b"\x11\x01\x04\x00"
    assert whole.count(place) == 1
    assert read_image(folder, suffix, whole.replace(place, place[:2] + bytes([kind, 0]))) == []


@pytest.mark.parametrize("index", range(len(IMAGES)), ids=lambda index: f"{index}{IMAGES[index][0]}")
def test_an_image_that_was_cut_off_is_refused_or_whole(folder: Path, index: int):
    suffix, whole = IMAGES[index]
    (expected,) = read_image(folder, suffix, whole)
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        for frame in read_image(folder, suffix, whole[:length]):
            assert np.array_equal(frame, expected), length


@fuzz(500)
@given(spoilt(ARCHIVES))
@example((0, b"PK\x05\x06" + bytes(18)))
def test_images_of_an_archive_or_one_line(folder: Path, changed: tuple[int, bytes]):
    path = folder / "a.zip"
    path.write_bytes(ARCHIVES[changed[0]])
    source = Source(ZipImages(path=str(path)))
    whole = {frame.tobytes() for frame in frames_or_line(source, str(path))}
    path.write_bytes(changed[1])
    # Each member has a checksum; a changed name may hide one.
    assert {frame.tobytes() for frame in frames_or_line(source, str(path))} <= whole
