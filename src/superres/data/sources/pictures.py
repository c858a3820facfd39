"""Decode image files of any mode with Pillow, always to 8-bit RGB.

Light: numpy is imported when pixels are read, so headers are checked without it.
"""

import io
import re
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from superres.device.base.errors import UserError
from superres.file_kinds import kind_of, remedy

if TYPE_CHECKING:
    import numpy as np

_ORIENTATION = 0x0112
# Pillow computes with what a file says before it looks whether that is a whole number, or in a table.
_UNCHECKED = (TypeError, LookupError, ArithmeticError, AttributeError)
_BOMB = Image.DecompressionBombError
# Its exceptions for a file that is broken or no image; they differ by format.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, _BOMB, *_UNCHECKED)
# Panoramas are as large as this warning says; beyond twice as many pixels Pillow refuses.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)
_WIDE_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_said: set[str] = set()


def picture_size(file: Path | bytes | BinaryIO, name: str) -> tuple[int, int]:
    """Return height and width of the decoded image, from its header alone.

    `file` is a path, the file's bytes or an open file that can seek. `name` names it in messages. Raises
    UserError if the header can't be read.
    """
    with ExitStack() as stack:
        stream = _stream(file, stack, name)
        with _opened(stream, name) as image:
            _check_mode(image, name)
            if image.format == "PNG" and "exif" not in image.info and not _has_exif_after_pixels(stream):
                # Otherwise Pillow decodes the whole picture to look for EXIF after the pixels.
                image.info["exif"] = b""
            turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
            return image.size if turned else (image.size[1], image.size[0])


def _stream(file: Path | bytes | BinaryIO, stack: ExitStack, name: str) -> BinaryIO:
    if isinstance(file, bytes):
        return io.BytesIO(file)
    if not isinstance(file, Path):
        return file
    try:
        if file.exists() and not file.is_file():
            # Opening a pipe waits for somebody to write into it.
            raise UserError(f"{name}: expected a file, found a pipe or a device; exclude it")
        return stack.enter_context(file.open("rb"))
    except OSError as error:
        raise UserError(
            f"{name}: expected an image that can be read, found: {error.strerror}; replace or exclude it"
        ) from error


def _has_exif_after_pixels(png: BinaryIO) -> bool:
    """Return whether a PNG file has EXIF, or XMP in a text, after its pixels. Reads chunk headers only."""
    before, after_pixels = png.tell(), False
    try:
        png.seek(8)
        while len(head := png.read(8)) == 8:
            kind = head[4:]
            if after_pixels and kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
                return True
            after_pixels = after_pixels or kind == b"IDAT"
            png.seek(int.from_bytes(head[:4], "big") + 4, io.SEEK_CUR)
        return False
    finally:
        png.seek(before)


def _check_chunks(png: IO[bytes]) -> None:
    """Raise OSError if a chunk has another checksum; Pillow ignores that of pixels and what follows."""
    before, kind = png.tell(), b""
    png.seek(8)
    # Whatever programs append to a file is no part of it.
    while kind != b"IEND" and len(head := png.read(8)) == 8:
        kind, content = head[4:], png.read(int.from_bytes(head[:4], "big"))
        checksum = png.read(4)
        if checksum != zlib.crc32(kind + content).to_bytes(4, "big"):
            raise OSError(f"damage in its part {str(kind)[2:-1]}")
    png.seek(before)


def read_picture(file: Path | bytes, name: str) -> "np.ndarray":
    """Decode an image to uint8 H x W x 3, RGB, upright by its EXIF orientation.

    Greyscale, palette, CMYK and 16-bit images are converted and alpha is dropped. Of a file with several
    pictures (animations, pages, MPO of cameras) the first is used, and colour profiles are ignored. Each is
    noted once on stderr. Raises UserError, naming the file, if it can't be decoded.
    """
    import numpy as np

    with _opened(file, name) as image:
        if image.format == "PNG" and isinstance(image, ImageFile.ImageFile) and image.fp is not None:
            _check_chunks(image.fp)
        if (number := _pictures(image)) > 1:
            _say_once(f"{image.format} file", name, f"with {number} pictures, of which the first is used")
        deep = ";16" in str(getattr(image, "tile", "")) or image.mode in _WIDE_MODES
        # Versions 2 and 4 of profiles name themselves in ASCII and in UTF-16.
        profile = image.info.get("icc_profile") or b"sRGB"
        if not any("sRGB".encode(code) in profile for code in ("ascii", "utf-16-be")):
            _say_once("image", name, "with a colour profile other than sRGB, which is ignored")
        if image.mode != "RGB" or deep:
            _say_once(f"{'16-bit ' if deep else ''}{image.mode} image", name, "converted to 8-bit RGB")
        # In place: a panorama has hundreds of megabytes.
        ImageOps.exif_transpose(image, in_place=True)
        _check_mode(image, name)
        if image.mode in _WIDE_MODES:
            return _narrow(np.asarray(image), name)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _check_mode(image: Image.Image, name: str) -> None:
    if image.mode == "F":
        raise UserError(f"{name}: expected 8 or 16 bits a channel, found floating point; convert it to PNG")


def _pictures(image: Image.Image) -> int:
    """Return how many pictures a file has; 1 if what follows the first one is broken."""
    try:
        return getattr(image, "n_frames", 1)
    except _BROKEN:
        image.seek(0)
        return 1


def _narrow(levels: "np.ndarray", name: str) -> "np.ndarray":
    import numpy as np

    if levels.min() < 0 or levels.max() > 65535:
        raise UserError(f"{name}: expected levels of 0 to 65535, found {levels.min()} to {levels.max()}")
    narrow = np.rint(levels.astype(np.float64) / 257).astype(np.uint8)
    return np.repeat(narrow[:, :, None], 3, axis=2)


@contextmanager
def _opened(file: Path | bytes | BinaryIO, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            yield image
    except _BROKEN as error:
        kind = kind_of(_head(file)) if isinstance(error, UnidentifiedImageError) else None
        raise UserError(
            f"{name}: expected an image that can be decoded, found: {kind or _reason(error)}; "
            f"{remedy(kind, 'replace or exclude it')}"
        ) from error


def _head(file: Path | bytes | BinaryIO) -> bytes:
    if isinstance(file, bytes):
        return file
    try:
        if isinstance(file, Path):
            with file.open("rb") as opened:
                return opened.read(256)
        file.seek(0)
        return file.read(256)
    except _BROKEN:
        return b"?"


def _reason(error: Exception) -> str:
    """Return what is wrong with a file, without the name of a Python object in it."""
    if isinstance(error, UnidentifiedImageError):
        return "a file that is no image of a known kind"
    if isinstance(error, _UNCHECKED):
        return "damaged data"
    return re.sub(r"<[^<>]* (name=|object at )[^<>]*>", "it", str(error)) or type(error).__name__


def _say_once(what: str, name: str, done: str) -> None:
    if what not in _said:
        _said.add(what)
        sys.stderr.write(f"{name}: {what} {done}; this is printed once\n")
