"""Images in a zip archive, read in place and never unpacked.

Names, sizes and contents that can't be trusted are errors.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, ClassVar, Literal, cast

from pydantic import Field

from superres.data.sources.crops import Pictures
from superres.data.sources.images import IMAGE_SUFFIXES, check_letters, is_taken, other_pictures
from superres.data.sources.reading import FrameReader, Origin, Shape, picture_digest
from superres.data.sources.source import (
    FrameRange,
    Source,
    correct_path,
    first_common_index,
    frame_indices,
    same_path,
    select_frames,
    what_is_there,
)
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.file_kinds import kind_of_file, remedy
from superres.keys import Many, Maybe, Some

if TYPE_CHECKING:
    import numpy as np

# Photographs are compressed already, so no real archive makes them much smaller. Small files are harmless.
_LARGEST_RATIO = 100
_SMALL_BYTES = 16 << 20
_LARGEST_BYTES = 1 << 30
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Compression that Python reads; 93, Zstandard, from Python 3.14 on."""
# Methods by their numbers in the format's specification (APPNOTE.TXT, 4.4.5).
_METHOD_NAMES = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    20: "Zstandard",
    93: "Zstandard",
    95: "XZ",
    96: "JPEG",
    98: "PPMd",
    99: "AES",
}

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    # Python without lzma reads no such archive.
    getattr(getattr(zipfile, "lzma", None), "LZMAError", zlib.error),
    EOFError,
    NotImplementedError,
    KeyError,
    OSError,
    ValueError,
)
"""What zipfile raises for an archive that is damaged or cut off."""


class ZipImages(Pictures):
    """Images of any sizes in a zip archive, read in place."""

    any_order: ClassVar[bool] = True

    type: Literal["zip-images"] = "zip-images"
    path: Annotated[
        Maybe[str],
        Field(description="A zip archive of images of any sizes on this machine; it is read in place."),
    ] = None
    file: Annotated[Maybe[str], Field(description="Instead of a path, the name of an entry of `files`.")] = (
        None
    )
    include: Annotated[
        Some[str],
        Field(
            description="Patterns of names inside the archive (*, ?, [...]); * matches / too.",
        ),
    ] = ("*",)
    exclude: Annotated[Many[str], Field(description="Patterns of names that are left out.")] = ()
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for an archive that is missing, can't be trusted or has too few images."""
        select_frames(source.frames, len(zip_members(source.location, self)), source.location)

    def notes(self, source: Source) -> list[str]:
        """Say which pictures of the archive aren't read."""
        with opened_zip(Path(source.location)) as archive:
            return other_pictures(source.location, archive.namelist(), self.include, self.exclude)

    def number(self, source: Source) -> int | None:
        """Number of images that are taken; None before the archive is fetched."""
        if source.pinned is not None and not Path(source.location).exists():
            return source.frames.count
        return len(frame_indices(source.frames, len(zip_members(source.location, self))))

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _ZipReader(self, source)

    def shared(self, mine: Source, theirs: Source) -> str | None:
        """Compare the members that are taken from the same archive."""
        other, path = theirs.kind, mine.location
        if not isinstance(other, ZipImages) or not same_path(mine, theirs):
            return None
        if not Path(path).exists():
            # Fetched later. Then the pixels' hashes find what different choices of members share.
            if (self.include, self.exclude) != (other.include, other.exclude):
                return None
            index = first_common_index(mine.frames, theirs.frames)
            return None if index is None else f"both take image {index} of {path}"
        members, others = zip_members(path, self), zip_members(path, other)
        taken = {members[i] for i in frame_indices(mine.frames, len(members))}
        for j in frame_indices(theirs.frames, len(others)):
            if others[j] in taken:
                return f"both take {others[j]} of {path}"
        return None


class _ZipReader(FrameReader):
    """Reads an archive.

    The archive is opened again for each image: threads share no handle.
    """

    def __init__(self, kind: ZipImages, source: Source):
        self._path = Path(source.location)
        members = zip_members(source.location, kind)
        taken = select_frames(source.frames, len(members), source.location)
        chosen = [members[index] for index in taken]
        self._frames = [(member, kind.cut(self._size(member), member)) for member in chosen]
        super().__init__([Path(member).name for member in chosen], [cut.shape for _, cut in self._frames])

    def _size(self, member: str) -> Shape:
        from superres.data.sources.pictures import picture_size

        with member_stream(self._path, member) as stream:
            return picture_size(stream, f"{self._path}: {member}")

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        from superres.data.sources.pictures import read_picture

        member, cut = self._frames[index]
        picture = read_picture(read_member(self._path, member), f"{self._path}: {member}")
        return cut.filled(cut.of(picture)), Origin(self.names[index], picture_digest(picture), None)


def zip_members(archive: str, images: ZipImages) -> list[str]:
    """Return the names of an archive's images that `include` and `exclude` let through, sorted.

    In a pattern, `*` matches any characters including `/`. Raises UserError if the archive is missing, none
    or truncated, or if it has no image. Also if a member's name leads out of the archive or occurs twice, or
    if an image is encrypted, packed by a method that Python lacks, or too large or too compressed, or if its
    name fits into no line.
    """
    path = Path(archive)
    if path.exists() and not path.is_file():
        raise UserError(f"{path}: expected a zip archive, found {what_is_there(path)}; {correct_path(path)}")
    with opened_zip(path) as opened:
        infos = opened.infolist()
    seen: set[str] = set()
    for info in infos:
        check_member_name(info.filename, seen, path)
    taken = [
        info
        for info in infos
        if is_taken(info.filename, images.include, images.exclude) and not info.is_dir()
    ]
    for info in taken:
        check_letters(info.filename, path)
        _check_member(info, path)
    if not taken:
        raise UserError(
            f"{path}: expected at least one image ({', '.join(IMAGE_SUFFIXES)}) that include "
            f"{list(images.include)} and exclude {list(images.exclude)} let through, found none among "
            f"{counted(len(infos), 'member')}"
        )
    return sorted(info.filename for info in taken)


def read_member(path: Path, member: str) -> bytes:
    """Return the content of a member, checked by its CRC; raises UserError if it can't be read whole."""
    with member_stream(path, member) as stream:
        return stream.read()


@contextmanager
def member_stream(path: Path, member: str) -> Iterator[BinaryIO]:
    """Open a member as a file that can seek; raises UserError if it proves damaged while it is read."""
    with opened_zip(path, member) as archive, archive.open(member) as stream:
        yield cast(BinaryIO, stream)


def check_member_name(name: str, seen: set[str], path: Path) -> None:
    """Raise UserError for a member's name that leads out of the archive `path`, or that is in `seen`.

    Adds it to `seen`.
    """
    inside = name and not name.startswith("/") and "\\" not in name and not re.match(r"[A-Za-z]:", name)
    if not inside or ".." in name.split("/") or "\0" in name:
        raise UserError(
            f"{path}: expected names that stay inside the archive, found {name!r}; don't use this archive"
        )
    if name in seen:
        raise UserError(f"{path}: expected each name once, found {name!r} twice; pack it again")
    seen.add(name)


def _check_member(info: zipfile.ZipInfo, path: Path) -> None:
    if info.flag_bits & 1:
        raise UserError(
            f"{path}: expected images that anyone can read, found {info.filename} encrypted; pack it again"
        )
    if info.compress_type not in (*_METHODS, getattr(zipfile, "ZIP_ZSTANDARD", zipfile.ZIP_STORED)):
        number = info.compress_type
        method = _METHOD_NAMES.get(number, "an unknown method")
        raise UserError(
            f"{path}: expected images that are packed by Deflate or stored, found {info.filename} packed by "
            f"{method} (method {number}); unpack the archive and name the folder, or pack it again: `zip -r`"
        )
    absurd = info.file_size > _SMALL_BYTES and info.file_size > _LARGEST_RATIO * max(info.compress_size, 1)
    if absurd or info.file_size > _LARGEST_BYTES:
        raise UserError(
            f"{path}: expected photographs, found {info.filename} with {info.file_size} bytes from "
            f"{info.compress_size}; don't use this archive"
        )


@contextmanager
def opened_zip(path: Path, member: str | None = None) -> Iterator[zipfile.ZipFile]:
    """Open an archive; raises UserError for one that is missing or damaged, or while `member` is read."""
    with naming_damage(path, member), zipfile.ZipFile(path) as archive:
        yield archive


@contextmanager
def naming_damage(path: Path, member: str | None = None) -> Iterator[None]:
    """Raise UserError where an archive is missing or damaged, or `member` of it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected a zip archive, found nothing there; {correct_path(path)}"
        ) from error
    except DAMAGED as error:
        kind = None if zipfile.is_zipfile(path) else kind_of_file(path)
        if kind not in (None, "a zip archive"):
            raise UserError(
                f"{path}: expected a zip archive, found {kind}; {remedy(kind, 'pack it again: `zip -r`')}"
            ) from error
        what = f"{member} whole" if member else "a zip archive"
        raise UserError(
            f"{path}: expected {what}, found it damaged or cut off ({str(error)[:200]}); fetch it again"
        ) from error
