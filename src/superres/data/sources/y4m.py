"""YUV4MPEG2 files with 8 bits per sample: the source, and the file format.

Format: mjpegtools' yuv4mpeg(5). Light: header and layout are read without numpy, because the workflow checks
them while it parses a study.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, ClassVar, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, numbered_names, picture_digest
from superres.data.sources.source import FrameRange, Source, SourceKind, check_file, select_frames
from superres.device.base.errors import UserError
from superres.keys import Maybe

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"YUV4MPEG2"
_LINE_LIMIT = 4096
# A larger size is no video, and no frame of it would fit in memory.
_LARGEST_SIDE = 65_536
# The position of chroma samples by the tag of a colour space.
_SITINGS = {
    "420jpeg": "center",
    "420mpeg2": "left",
    "420paldv": "topleft",
    "420": "center",
    "422": "left",
    "444": "center",
}


class Y4m(SourceKind):
    """An 8-bit YUV4MPEG2 file, 4:2:0, 4:2:2 or 4:4:4."""

    any_order: ClassVar[bool] = True

    type: Literal["y4m"] = "y4m"
    path: Annotated[
        Maybe[str], Field(description="An 8-bit .y4m file on this machine, 4:2:0, 4:2:2 or 4:4:4.")
    ] = None
    file: Annotated[Maybe[str], Field(description="Instead of a path, the name of an entry of `files`.")] = (
        None
    )
    matrix: Annotated[Literal["bt709", "bt601"], Field(description="Colour matrix; bt709 is HD's.")] = "bt709"
    range: Annotated[
        Literal["limited", "full"], Field(description="Range of the code values; limited is 16 to 235.")
    ] = "limited"
    siting: Annotated[
        Literal["auto", "left", "center", "topleft"],
        Field(description="Position of chroma samples; auto reads it from the file's header."),
    ] = "auto"
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a file that is missing, malformed or too short."""
        header = read_header(check_file(source.location, "y4m"))
        select_frames(source.frames, header.frames, source.location)

    def size(self, source: Source) -> tuple[int, int] | None:
        """Return the size in the header of a file that is there."""
        path = Path(source.location)
        if not path.is_file():
            return None
        with path.open("rb") as file:
            width, height = _read_size(_read_tags(file, path), path)
        return height, width

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _Y4mReader(self, source)


class _Y4mReader(FrameReader):
    whole = True

    def __init__(self, kind: Y4m, source: Source):
        self._path = check_file(source.location, "y4m")
        self._header = read_header(self._path)
        self._indices = select_frames(source.frames, self._header.frames, source.location)
        self._matrix, self._limited = kind.matrix, kind.range == "limited"
        self._siting = self._header.siting if kind.siting == "auto" else kind.siting
        shape = (self._header.height, self._header.width)
        super().__init__(numbered_names(source.location, self._indices), [shape] * len(self._indices))

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        from superres.data.sources.yuv import yuv_to_rgb

        planes = read_planes(self._path, self._header, self._indices[index])
        frame = yuv_to_rgb(planes, self._matrix, self._limited, self._siting)
        return frame, Origin(self.names[index], picture_digest(frame), None)


@dataclass(frozen=True)
class Y4mHeader:
    """The header of a y4m file, and the positions of its frames.

    `chroma` is `420`, `422` or `444`. `siting` is the position of chroma samples (`left`, `center` or
    `topleft`). `starts` are byte offsets of the frames' planes.
    """

    width: int
    height: int
    chroma: str
    siting: str
    starts: tuple[int, ...]

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.starts)

    @property
    def subsampling(self) -> tuple[int, int]:
        """Luma samples per chroma sample, horizontally and vertically."""
        return {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[self.chroma]

    @property
    def frame_bytes(self) -> int:
        """The size of a frame's three planes in bytes."""
        across, down = self.subsampling
        return self.width * self.height + 2 * (self.width // across) * (self.height // down)


def read_header(path: Path) -> Y4mHeader:
    """Read a y4m file's header and find its frames, without reading a plane.

    Raises UserError for a file that is no y4m file, isn't 8-bit 4:2:0, 4:2:2 or 4:4:4, is interlaced, has
    an odd width or height, or ends within a frame.
    """
    path = Path(path)
    with path.open("rb") as file:
        tags = _read_tags(file, path)
        width, height = _read_size(tags, path)
        chroma, siting = _read_colour_space(tags.get("C"), height, path)
        if tags.get("I", "?") not in ("p", "?"):
            raise UserError(
                f"{path}: expected a progressive file (Ip), found I{_shown(tags['I'])}; deinterlace it first"
            )
        header = Y4mHeader(width, height, chroma, siting, ())
        return replace(header, starts=_walk_frames(file, header.frame_bytes, path))


def _read_tags(file: BinaryIO, path: Path) -> dict[str, str]:
    line = file.readline(_LINE_LIMIT)
    words = line.split()
    if not line.endswith(b"\n") or not words or words[0] != _MAGIC:
        raise UserError(
            f"{path}: expected a y4m file that begins with {_MAGIC.decode()}, found {line[:16]!r}"
        )
    # X tags are comments and may repeat; every other letter is a setting.
    return {word[:1]: word[1:] for word in (w.decode("ascii", "replace") for w in words[1:])}


def _read_size(tags: dict[str, str], path: Path) -> tuple[int, int]:
    sizes = [tags.get(letter, "") for letter in "WH"]
    if not all(size.isascii() and size.isdigit() and 0 < int(size) <= _LARGEST_SIDE for size in sizes):
        found = f"W{_shown(sizes[0])} H{_shown(sizes[1])}"
        raise UserError(
            f"{path}: expected a width and a height of 1 to {_LARGEST_SIDE} in its header, found {found}"
        )
    width, height = int(sizes[0]), int(sizes[1])
    if width % 2 or height % 2:
        raise UserError(f"{path}: expected an even width and height, found {width}x{height}; crop it first")
    return width, height


def _read_colour_space(tag: str | None, height: int, path: Path) -> tuple[str, str]:
    if tag is None:
        # Without a tag the format says 420jpeg, but HD material has the siting of MPEG-2.
        return "420", "left" if height >= 720 else "center"
    if tag not in _SITINGS:
        raise UserError(
            f"{path}: expected an 8-bit colour space, one of {', '.join('C' + c for c in _SITINGS)}, "
            f"found C{_shown(tag)}; convert it first"
        )
    return tag[:3], _SITINGS[tag]


def _shown(tag: str) -> str:
    """Return a tag's value, printable and short, for a message."""
    text = tag if tag.isprintable() else ascii(tag)
    return text if len(text) <= 20 else f"{text[:17]}..."


def _walk_frames(file: BinaryIO, frame_bytes: int, path: Path) -> tuple[int, ...]:
    size = os.fstat(file.fileno()).st_size
    starts: list[int] = []
    position = file.tell()
    while position < size:
        file.seek(position)
        line = file.readline(_LINE_LIMIT)
        if not _is_frame_line(line):
            raise UserError(
                f"{path}: expected the word FRAME at byte {position}, after {len(starts)} whole frames, "
                f"found {line[:12]!r}; the file is damaged"
            )
        start = position + len(line)
        missing = start + frame_bytes - size + (not line.endswith(b"\n"))
        if missing > 0:
            raise UserError(
                f"{path}: expected whole frames, found {len(starts)} and a part of the next, which lacks "
                f"{missing} bytes; the file is truncated, fetch it again or lower the frame range"
            )
        starts.append(start)
        position = start + frame_bytes
    if not starts:
        raise UserError(f"{path}: expected at least one frame, found none")
    return tuple(starts)


def _is_frame_line(line: bytes) -> bool:
    """Return whether a line is FRAME, with or without parameters, or the start of it at the file's end."""
    return line.rstrip(b"\n") == b"FRAME" or line.startswith(b"FRAME ") or b"FRAME".startswith(line)


def read_planes(path: Path, header: Y4mHeader, index: int) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return the Y, Cb and Cr planes of one frame, uint8, memory-mapped.

    Y is H x W; Cb and Cr are smaller by the header's subsampling.
    """
    import numpy as np

    # One map per frame: the frames before don't stay in memory.
    data = np.memmap(path, np.uint8, "r", header.starts[index], (header.frame_bytes,))
    across, down = header.subsampling
    small = (header.height // down, header.width // across)
    luma, chroma = header.width * header.height, small[0] * small[1]
    return (
        data[:luma].reshape(header.height, header.width),
        data[luma : luma + chroma].reshape(small),
        data[luma + chroma :].reshape(small),
    )
