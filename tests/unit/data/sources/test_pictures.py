"""Images of every kind become 8-bit RGB, and unreadable ones are named."""

import io

import numpy as np
import pytest
from PIL import Image

from superres.data.sources import pictures
from superres.data.sources.pictures import picture_size, read_picture
from superres.device.base.errors import UserError

RGB = np.random.default_rng(6).integers(0, 256, (6, 10, 3), dtype=np.uint8)


def _encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _no_notes_yet(monkeypatch):
    monkeypatch.setattr(pictures, "_said", set())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("JPEG2000", {"irreversible": False}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_keep_every_pixel(kind, options, tmp_path, capsys):
    data = _encoded(Image.fromarray(RGB), kind, **options)
    assert picture_size(data, "a") == (6, 10)
    assert np.array_equal(read_picture(data, "a"), RGB)
    (tmp_path / "a").write_bytes(data)
    assert np.array_equal(read_picture(tmp_path / "a", "a"), RGB)
    assert capsys.readouterr().err == ""


def test_greyscale_palette_and_alpha_are_converted_with_one_note(capsys):
    grey = RGB[:, :, 0]
    for _ in range(2):
        found = read_picture(_encoded(Image.fromarray(grey)), "grey.png")
        assert np.array_equal(found, np.repeat(grey[:, :, None], 3, 2))
    flat = Image.new("RGB", (4, 4), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert (read_picture(_encoded(flat), "palette.png") == (10, 200, 30)).all()
    alpha = np.dstack([RGB, np.full((6, 10), 255, np.uint8)])
    assert np.array_equal(read_picture(_encoded(Image.fromarray(alpha)), "alpha.png"), RGB)
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == ["grey.png", "palette.png", "alpha.png"]


def test_16_bit_greyscale_is_rounded(capsys):
    levels = np.array([[0, 128, 129, 257 * 77, 65535, 65406]], np.uint16)
    found = read_picture(_encoded(Image.fromarray(levels)), "deep.png")
    assert found[0, :, 0].tolist() == [0, 0, 1, 77, 255, 254]
    assert "deep.png: 16-bit" in capsys.readouterr().err


def test_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _encoded(Image.fromarray(RGB), "PNG", exif=exif)
    assert picture_size(data, "a") == (10, 6)
    assert np.array_equal(read_picture(data, "a"), np.rot90(RGB, -1))


@pytest.mark.parametrize("cut", [20, 150])
def test_broken_files_are_named(cut):
    data = _encoded(Image.fromarray(RGB))[:cut]
    with pytest.raises(UserError, match=r"folder/a\.png: expected an image that can be decoded"):
        read_picture(data, "folder/a.png")


def test_no_image_and_no_file(tmp_path):
    with pytest.raises(UserError, match=r"a\.txt: expected an image"):
        picture_size(b"no image", "a.txt")
    with pytest.raises(UserError, match=r"gone\.png: expected an image"):
        picture_size(tmp_path / "gone.png", "gone.png")


def test_floating_point_is_refused():
    data = _encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF")
    with pytest.raises(UserError, match="found floating point"):
        read_picture(data, "a.tif")
    # The header tells, before any work.
    with pytest.raises(UserError, match="expected 8 or 16 bits a channel, found floating point"):
        picture_size(_encoded(Image.fromarray(np.zeros((6, 10), np.float32)), "TIFF"), "a.tif")


@pytest.mark.parametrize(("name", "said"), [(b"desc sRGB IEC61966-2.1", 0), (b"\0s\0R\0G\0B", 0), (b"P3", 1)])
def test_a_colour_profile_that_is_ignored_is_said(capsys, name, said):
    read_picture(_encoded(Image.fromarray(RGB), icc_profile=name), "a.png")
    assert capsys.readouterr().err.count("with a colour profile other than sRGB, which is ignored") == said


@pytest.mark.parametrize("after", [False, True])
def test_orientation_after_the_pixels_counts_without_decoding_them(tmp_path, after):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((64, 96, 3), np.uint8)).save(tmp_path / "a.png", exif=exif)
    content = (tmp_path / "a.png").read_bytes()
    start = content.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    if after:
        content = content[:start] + content[end:-12] + content[start:end] + content[-12:]
    assert picture_size(content, "a") == (96, 64)
    assert read_picture(content, "a").shape == (96, 64, 3)
    if not after:
        # The header alone is enough: there are no pixels to decode.
        assert picture_size(content[: content.index(b"IDAT") + 10], "a") == (96, 64)


def test_every_changed_byte_of_a_pngs_pixels_is_found():
    """Pillow decodes such a file to other pixels and says nothing."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    whole = stream.getvalue()
    assert np.array_equal(read_picture(whole, "a.png"), pixels)
    begin, end = whole.index(b"IDAT"), whole.index(b"IEND") - 4
    for at in range(begin + 4, end):
        changed = bytearray(whole)
        changed[at] ^= 16
        with pytest.raises(UserError, match=r"a\.png: expected an image that can be decoded, found: "):
            read_picture(bytes(changed), "a.png")
