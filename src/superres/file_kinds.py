"""What a file of another kind than expected is, by its first bytes: what people often name by mistake."""

from pathlib import Path

_HEAD_BYTES = 256
_REMEDY = {
    "a pointer of Git LFS": "fetch the file itself: git lfs pull",
    "a web page": "fetch the file itself",
    "an empty file": "fetch it again",
}
_BEGINNINGS = (
    (b"version https://git-lfs.github.com/", "a pointer of Git LFS"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML, such as an SVG drawing"),
    (b"<svg", "an SVG drawing"),
    (b"rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a file of gzip, such as .tar.gz"),
    (b"bzh", "a file of bzip2"),
    (b"\xfd7zxz\x00", "a file of xz"),
    (b"pk\x03\x04", "a zip archive"),
    (b"%pdf-", "a PDF"),
    (b"\x89png\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"gif8", "a GIF image"),
    (b"yuv4mpeg2", "a y4m video"),
    (b"\x1aE\xdf\xa3".lower(), "a Matroska video"),
    (b"\x89hdf\r\n", "an HDF5 file, such as one of Keras"),
)


def kind_of(content: bytes) -> str | None:
    """Return what a file is by its beginning; None if that isn't known."""
    head = content[:_HEAD_BYTES].lstrip().lower()
    if not content:
        return "an empty file"
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        return "a HEIC or AVIF image"
    if content[4:8] == b"ftyp":
        return "an MP4 video"
    return next((kind for begin, kind in _BEGINNINGS if head.startswith(begin)), None)


def kind_of_file(path: Path) -> str | None:
    """Return what a file is by its beginning; None if that isn't known or it can't be read."""
    try:
        with path.open("rb") as file:
            return kind_of(file.read(_HEAD_BYTES))
    except OSError:
        return None


def remedy(kind: str | None, otherwise: str) -> str:
    """Return what to do about a file of another kind, `otherwise` if nothing special is known."""
    return _REMEDY.get(kind or "", otherwise)
