"""A YUV4MPEG2 file on this machine or fetched: frames by index, in RGB."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, numbered_names, picture_digest
from superres.data.sources.source import FrameRange, Source, SourceKind, check_file, select_frames
from superres.data.sources.yuv4mpeg import read_header, read_planes
from superres.keys import Maybe

if TYPE_CHECKING:
    import numpy as np


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
        Field(description="Where chroma samples lie; auto reads it from the file's header."),
    ] = "auto"
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a file that is missing, malformed or too short."""
        header = read_header(check_file(source.location, "y4m"))
        select_frames(source.frames, header.frames, source.location)

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
