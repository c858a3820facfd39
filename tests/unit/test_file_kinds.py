"""Files of other kinds are known by their beginning."""

import io
from pathlib import Path

import pytest
from PIL import Image

from superres.file_kinds import kind_of, kind_of_file, remedy


def image(form: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\n  <!DOCTYPE HTML>", "a web page"),
        (b"<HTML>", "a web page"),
        (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
        (b"\0\0\0\x18ftypheic", "a HEIC or AVIF image"),
        (b"\0\0\0\x18ftypisom", "an MP4 video"),
        (b"\x1a\x45\xdf\xa3", "a Matroska video"),
        (b"YUV4MPEG2 W2 H2", "a y4m video"),
        (b"BZh9", "a file of bzip2"),
        (b"\xfd7zXZ\x00", "a file of xz"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as one of Keras"),
        (image("PNG"), "a PNG image"),
        (image("JPEG"), "a JPEG image"),
        (image("GIF"), "a GIF image"),
        (b"\x08\x07\x12\x07pytorch", None),
        (b"text", None),
    ],
)
def test_what_a_file_is(content: bytes, kind: str | None, tmp_path: Path):
    (tmp_path / "a").write_bytes(content)
    assert kind_of(content) == kind_of_file(tmp_path / "a") == kind


def test_what_to_do_about_it():
    assert remedy("a pointer of Git LFS", "replace it").endswith("git lfs pull")
    assert remedy("a RAR archive", "pack it again") == remedy(None, "pack it again") == "pack it again"


def test_a_file_that_can_not_be_read_is_of_no_kind(tmp_path: Path):
    assert kind_of_file(tmp_path) is kind_of_file(tmp_path / "gone") is None
