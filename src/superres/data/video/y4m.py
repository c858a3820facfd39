"""The layout of YUV4MPEG2 files: the header's tags, and where each frame lies.

Format: mjpegtools' yuv4mpeg(5). Light: header and layout are read without numpy, because the workflow checks
them while it parses a study. FFmpeg reads y4m files too, but skips a part of a frame at the end, and can't
say how many frames there are or jump to one.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from superres.data.video.colour import Tags, is_hd
from superres.device.base.errors import UserError

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"YUV4MPEG2"
_LINE_LIMIT = 4096
# A larger size is no video, and no frame of it would fit in memory.
_LARGEST_SIDE = 65_536
# What the comment XCOLORRANGE says, which FFmpeg writes.
_RANGES = {"COLORRANGE=FULL": "full", "COLORRANGE=LIMITED": "limited"}
# The position of chroma samples by the tag of a colour space.
_SITINGS = {
    "420jpeg": "center",
    "420mpeg2": "left",
    "420paldv": "topleft",
    "420": "center",
    "422": "left",
    "444": "center",
}


@dataclass(frozen=True)
class Y4mHeader:
    """The header of a y4m file, and the positions of its frames.

    `chroma` is `420`, `422` or `444`. `said` is what the file says of its colours. `starts` are byte offsets
    of the frames' planes.
    """

    width: int
    height: int
    chroma: str
    said: Tags
    starts: tuple[int, ...]

    @property
    def siting(self) -> str:
        """The position of chroma samples: `left`, `center` or `topleft`."""
        return self.said.siting or usual_siting(self.height, self.width)

    @property
    def frames(self) -> int:
        """The number of frames."""
        return len(self.starts)

    @property
    def subsampling(self) -> tuple[int, int]:
        """Luma samples per chroma sample, horizontally and vertically."""
        return {"420": (2, 2), "422": (2, 1), "444": (1, 1)}[self.chroma]

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """Height and width of a chroma plane; a last odd row or column has samples of its own."""
        across, down = self.subsampling
        return -(-self.height // down), -(-self.width // across)

    @property
    def frame_bytes(self) -> int:
        """The size of a frame's three planes in bytes."""
        rows, columns = self.chroma_shape
        return self.width * self.height + 2 * rows * columns


def read_header(path: Path) -> Y4mHeader:
    """Read a y4m file's header and find its frames, without reading a plane.

    Raises UserError for a file that is no y4m file, isn't 8-bit 4:2:0, 4:2:2 or 4:4:4, is interlaced, or
    ends within a frame.
    """
    path = Path(path)
    with path.open("rb") as file:
        tags = _read_tags(file, path)
        width, height = read_size(tags, path)
        chroma = _read_colour_space(tags.get("C"), path)
        if tags.get("I", "?") not in ("p", "?"):
            check_fields(tags, path)
            raise UserError(
                f"{path}: expected a progressive file (Ip), found I{_shown(tags['I'])}; deinterlace it "
                "first, or read it with type: video and deinterlace: true"
            )
        header = Y4mHeader(width, height, chroma, colours_said(tags), ())
        return replace(header, starts=_walk_frames(file, header.frame_bytes, path))


def read_tags(path: Path) -> dict[str, str]:
    """Return the settings in a y4m file's header by their letters; X has each comment in a line.

    Raises UserError for another file, and for a header of more than 4096 bytes, the limit of FFmpeg as well.
    """
    with path.open("rb") as file:
        return _read_tags(file, path)


def count_frames(path: Path, frame_bytes: int) -> int:
    """Count the frames of a y4m file of any format, whose planes take `frame_bytes`.

    Raises UserError for damage between frames and for a file that ends within a frame.
    """
    with path.open("rb") as file:
        _read_tags(file, path)
        return len(_walk_frames(file, frame_bytes, path))


def colours_said(tags: dict[str, str]) -> Tags:
    """Return what a header says of its colours."""
    comments = tags.get("X", "").upper().split("\n")
    ranges = [_RANGES[comment] for comment in comments if comment in _RANGES]
    return Tags(None, ranges[-1] if ranges else None, _SITINGS.get(tags.get("C", "")))


def usual_siting(height: int, width: int) -> str:
    """Return the siting of a file without a tag: the format says 420jpeg, but HD has that of MPEG-2."""
    return "left" if is_hd(height, width) else "center"


def _read_tags(file: BinaryIO, path: Path) -> dict[str, str]:
    line = file.readline(_LINE_LIMIT)
    words = line.split()
    if not words or words[0] != _MAGIC:
        raise UserError(
            f"{path}: expected a y4m file that begins with {_MAGIC.decode()}, found {line[:16]!r}"
        )
    if not line.endswith(b"\n"):
        raise UserError(
            f"{path}: expected a header line of at most {_LINE_LIMIT} bytes, found a longer one or none that "
            "ends; shorten its comments (tags that begin with X)"
        )
    tags: dict[str, str] = {}
    for word in (w.decode("ascii", "replace") for w in words[1:]):
        # X tags are comments and may repeat; every other letter is a setting.
        before = f"{tags['X']}\n" if word[0] == "X" and "X" in tags else ""
        tags[word[0]] = before + word[1:]
    return tags


def read_size(tags: dict[str, str], path: Path) -> tuple[int, int]:
    """Return the width and height in a header; raises UserError if they are no sizes."""
    sizes = [tags.get(letter, "") for letter in "WH"]
    if not all(size.isascii() and size.isdigit() and 0 < int(size) <= _LARGEST_SIDE for size in sizes):
        found = f"W{_shown(sizes[0])} H{_shown(sizes[1])}"
        raise UserError(
            f"{path}: expected a width and a height of 1 to {_LARGEST_SIDE} in its header, found {found}"
        )
    return int(sizes[0]), int(sizes[1])


def check_fields(tags: dict[str, str], path: Path) -> None:
    """Raise UserError for an order of fields that FFmpeg doesn't read, such as one of each frame's own."""
    if tags.get("I", "?") not in ("p", "?", "t", "b"):
        raise UserError(
            f"{path}: expected progressive frames (Ip), or fields of one order (It, Ib), found "
            f"I{_shown(tags['I'])}; deinterlace it first"
        )


def _read_colour_space(tag: str | None, path: Path) -> str:
    if tag is None:
        return "420"
    if tag not in _SITINGS:
        raise UserError(
            f"{path}: expected an 8-bit colour space, one of {', '.join('C' + c for c in _SITINGS)}, "
            f"found C{_shown(tag)}; read it with type: video, or convert it first"
        )
    return tag[:3]


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
    small = header.chroma_shape
    luma, chroma = header.width * header.height, small[0] * small[1]
    return (
        data[:luma].reshape(header.height, header.width),
        data[luma : luma + chroma].reshape(small),
        data[luma + chroma :].reshape(small),
    )
