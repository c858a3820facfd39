"""Images in zip archives, read in place; a name, a size or a content that can't be trusted is an error.

Nothing is unpacked. Light: the workflow looks into archives while it parses a study.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from superres.data.sources.sources import IMAGE_SUFFIXES, Images, ZipImages
from superres.device.base.errors import UserError

# Photographs are compressed already: no real archive makes one much smaller. A small one hurts nobody.
_LARGEST_RATIO = 100
_SMALL_BYTES = 16 << 20
_LARGEST_BYTES = 1 << 30
# What macOS adds beside each file.
_ADDED = "__MACOSX/"


def zip_members(images: ZipImages) -> list[str]:
    """Names of an archive's images, sorted: those with one of IMAGE_SUFFIXES that `include` and `exclude` let through.

    In a pattern, `*` matches any characters including `/`. Raises UserError if the archive is missing, is none, or
    is truncated; if any member's name leads out of the archive or occurs twice; if an image is encrypted, or
    so large or so compressed that it can't be a photograph; or if there is no image.
    """
    path = Path(images.path)
    with _opened(path) as archive:
        infos = archive.infolist()
    seen: set[str] = set()
    for info in infos:
        _check_name(info.filename, seen, path)
    taken = [
        info for info in infos if is_taken(info.filename, images) and not info.filename.startswith(_ADDED)
    ]
    for info in taken:
        _check_member(info, path)
    if not taken:
        raise UserError(
            f"{path}: expected at least one image ({', '.join(IMAGE_SUFFIXES)}) that include {list(images.include)} and "
            f"exclude {list(images.exclude)} let through, found none among {len(infos)} members"
        )
    return sorted(info.filename for info in taken)


def read_member(path: Path, member: str) -> bytes:
    """The content of a member, checked by its CRC; raises UserError if it can't be read whole."""
    with member_stream(path, member) as stream:
        return stream.read()


@contextmanager
def member_stream(path: Path, member: str) -> Iterator[BinaryIO]:
    """A member as an open file that can seek; raises UserError for what is found damaged while it is read."""
    with _opened(path, member) as archive, archive.open(member) as stream:
        yield cast(BinaryIO, stream)


def is_taken(name: str, images: Images | ZipImages) -> bool:
    """Whether a file's name is that of an image, and `include` and `exclude` let it through."""
    return (
        PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
        and (not images.include or any(fnmatchcase(name, pattern) for pattern in images.include))
        and not any(fnmatchcase(name, pattern) for pattern in images.exclude)
    )


def _check_name(name: str, seen: set[str], path: Path) -> None:
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
    absurd = info.file_size > _SMALL_BYTES and info.file_size > _LARGEST_RATIO * max(info.compress_size, 1)
    if absurd or info.file_size > _LARGEST_BYTES:
        raise UserError(
            f"{path}: expected photographs, found {info.filename} with {info.file_size} bytes from "
            f"{info.compress_size}; don't use this archive"
        )


@contextmanager
def _opened(path: Path, member: str | None = None) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected a zip archive, found nothing there; correct its path") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        KeyError,
        OSError,
        ValueError,
    ) as error:
        what = f"{member} whole" if member else "a zip archive"
        raise UserError(
            f"{path}: expected {what}, found it damaged or cut off ({error}); fetch it again"
        ) from error
