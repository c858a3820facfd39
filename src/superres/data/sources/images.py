"""A folder of images of any sizes."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from superres.data.sources.crops import Pictures
from superres.data.sources.reading import FrameReader, Origin, picture_digest
from superres.data.sources.source import (
    FrameRange,
    Source,
    correct_path,
    frame_indices,
    is_left_behind,
    select_frames,
    what_is_there,
)
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.keys import Many, Some

if TYPE_CHECKING:
    import numpy as np

IMAGE_SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".jp2",
    ".j2k",
    ".ppm",
    ".pgm",
)
# Pictures of kinds that aren't read: leaving them out is said.
_OTHER_SUFFIXES = (
    *(".avif", ".heic", ".heif", ".gif", ".jfif", ".jpe", ".jxl", ".jpx", ".jpf", ".tga", ".psd", ".exr"),
    *(".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
# Control characters, bytes that aren't UTF-8, and line ends.
_NO_LETTERS = ("Cc", "Cs", "Zl", "Zp")


class Images(Pictures):
    """A folder of images of any sizes."""

    any_order: ClassVar[bool] = True

    type: Literal["images"] = "images"
    path: Annotated[
        str,
        Field(
            description="A folder of images of any sizes, relative to the working directory. If nothing is "
            "there, it is relative to the study's file, and the start of a run says so; this holds for every "
            "path in a study."
        ),
    ]
    include: Annotated[Some[str], Field(description="File-name patterns (*, ?, [...]).")] = ("*",)
    exclude: Annotated[Many[str], Field(description="File-name patterns that are left out.")] = ()
    frames: FrameRange = FrameRange()

    def files(self, source: Source) -> list[str]:
        """Paths of the images that are taken."""
        files = image_files(self)
        return [str(files[i]) for i in frame_indices(source.frames, len(files))]

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a missing folder, for too few images, and for an image that is too small."""
        files = image_files(self)
        for index in select_frames(source.frames, len(files), self.path):
            _check_header(files[index], smallest, self)

    def number(self, source: Source) -> int:
        """Number of images that are taken."""
        return len(self.files(source))

    def notes(self, source: Source) -> list[str]:
        """Say which pictures of the folder aren't read."""
        names = [file.name for file in Path(self.path).iterdir()]
        return other_pictures(self.path, names, self.include, self.exclude)

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _FolderReader(self, source)

    def shared(self, mine: Source, theirs: Source) -> str | None:
        """Compare the files that are taken, by whatever paths."""
        other = theirs.kind
        if not isinstance(other, Images):
            return None
        files, others = image_files(self), image_files(other)
        taken = {os.path.realpath(files[i]) for i in frame_indices(mine.frames, len(files))}
        for j in frame_indices(theirs.frames, len(others)):
            if os.path.realpath(others[j]) in taken:
                return f"both take {others[j]}"
        return None


class _FolderReader(FrameReader):
    """Reads a folder."""

    def __init__(self, kind: Images, source: Source):
        from superres.data.sources.pictures import picture_size

        files = image_files(kind)
        taken = [files[index] for index in select_frames(source.frames, len(files), kind.path)]
        self._frames = [(file, kind.cut(picture_size(file, str(file)), str(file))) for file in taken]
        super().__init__([file.name for file in taken], [cut.shape for _, cut in self._frames])

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        from superres.data.sources.pictures import read_picture

        file, cut = self._frames[index]
        picture = read_picture(file, str(file))
        return cut.filled(cut.of(picture)), Origin(file.name, picture_digest(picture), None)


def image_files(images: Images) -> list[Path]:
    """Return the image files of a folder that `include` and `exclude` let through, sorted by name.

    Hidden files are passed over. Raises UserError if the folder is missing or holds no such file, and for a
    name that fits into no line of text.
    """
    folder = Path(images.path)
    if not folder.is_dir():
        raise UserError(
            f"images: expected a folder at {folder}, found {what_is_there(folder)}; {correct_path(folder)}"
        )
    entries = [file for file in folder.iterdir() if is_taken(file.name, images.include, images.exclude)]
    found = sorted(file for file in entries if not file.is_dir())
    if not found:
        names = [file.name for file in folder.iterdir()]
        others = other_pictures(str(folder), names, images.include, images.exclude)
        raise UserError(
            f"{folder}: expected at least one image ({', '.join(IMAGE_SUFFIXES)}) that include "
            f"{list(images.include)} and exclude {list(images.exclude)} let through, found none"
            + "".join(f"; {line.partition(': ')[2]}" for line in others)
        )
    for file in found:
        check_letters(file.name, folder)
    return found


def check_letters(name: str, where: Path) -> None:
    """Raise UserError for the name of an image in `where` that fits into no line of text."""
    if any(unicodedata.category(letter) in _NO_LETTERS for letter in name):
        raise UserError(
            f"{where}: expected names in UTF-8 without line breaks, found {os.fsencode(name)!r}; rename it, "
            "or exclude it"
        )


def other_pictures(
    where: str, names: Iterable[str], include: Sequence[str], exclude: Sequence[str]
) -> list[str]:
    """Return a line for the pictures in `where` that patterns let through, but that aren't read."""
    others = sorted(name for name in names if is_taken(name, include, exclude, _OTHER_SUFFIXES))
    if not others:
        return []
    return [
        f"{where}: left out {counted(len(others), 'picture')} of kinds that aren't read, such as "
        f"{others[0]!r}; convert them to PNG"
    ]


def is_taken(
    name: str, include: Sequence[str], exclude: Sequence[str], suffixes: Sequence[str] = IMAGE_SUFFIXES
) -> bool:
    """Return whether a name has an image suffix and matches a pattern of `include` and none of `exclude`.

    Files that systems leave beside images, such as `._a.png`, are never taken.
    """
    return (
        PurePosixPath(name).suffix.lower() in suffixes
        and not is_left_behind(name)
        and any(fnmatchcase(name, pattern) for pattern in include)
        and not any(fnmatchcase(name, pattern) for pattern in exclude)
    )


def _check_header(file: Path, smallest: int, kind: Pictures) -> None:
    from superres.data.sources.pictures import picture_size

    height, width = picture_size(file, str(file))
    kind.cut((height, width), str(file))
    if min(height, width) < smallest:
        raise UserError(
            f"{file}: expected at least {smallest}x{smallest} pixels, found {width}x{height}; exclude it"
            + (" or make the training's patches smaller" if smallest > 2 else "")
        )
