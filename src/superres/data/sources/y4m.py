"""YUV4MPEG2 files with 8 bits per sample, read in place: any frame at once, by several threads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, numbered_names, picture_digest, say
from superres.data.sources.sized import SizedKeys
from superres.data.sources.source import FrameRange, Source, check_file, select_frames
from superres.data.video.colour import ColourKeys, contradictions, settle
from superres.data.video.y4m import colours_said, read_header, read_planes, read_size, read_tags
from superres.keys import Maybe

if TYPE_CHECKING:
    import numpy as np


class Y4m(ColourKeys, SizedKeys):
    """An 8-bit YUV4MPEG2 file, 4:2:0, 4:2:2 or 4:4:4."""

    any_order: ClassVar[bool] = True

    type: Literal["y4m"] = "y4m"
    path: Annotated[
        Maybe[str], Field(description="An 8-bit .y4m file on this machine, 4:2:0, 4:2:2 or 4:4:4.")
    ] = None
    file: Annotated[Maybe[str], Field(description="Instead of a path, the name of an entry of `files`.")] = (
        None
    )
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a file that is missing, malformed, too small or too short."""
        header = read_header(check_file(source.location, "y4m"))
        self.check_shape(source.location, (header.height, header.width), smallest)
        select_frames(source.frames, header.frames, source.location)

    def notes(self, source: Source) -> list[str]:
        """Say where the study contradicts the file, and that pixels are taken as square."""
        tags = read_tags(Path(source.location))
        lines = contradictions(colours_said(tags), self.wanted, source.location)
        across, _, down = tags.get("A", "").partition(":")
        # 0:0 is unknown.
        if across != down and across.isdecimal() and down.isdecimal():
            lines.append(f"{source.location}: pixels of {across}:{down} are taken as square")
        return lines

    def size(self, source: Source) -> tuple[int, int] | None:
        """Return the size that is stated, or that in the header of a file that is there."""
        path = Path(source.location)
        if self.stated is not None or not path.is_file():
            return self.stated
        width, height = read_size(read_tags(path), path)
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
        shape = height, width = self._header.height, self._header.width
        kind.check_shape(source.location, shape)
        self._colour = settle(self._header.said, height, width, kind.wanted, self._header.siting)
        say(kind.notes(source))
        super().__init__(numbered_names(source.location, self._indices), [shape] * len(self._indices))

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        from superres.data.video.yuv import yuv_to_rgb

        planes = read_planes(self._path, self._header, self._indices[index])
        colour = self._colour
        frame = yuv_to_rgb(planes, colour.matrix, colour.range == "limited", colour.siting)
        return frame, Origin(self.names[index], picture_digest(frame), None)
