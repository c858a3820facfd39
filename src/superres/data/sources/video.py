"""Any video that FFmpeg decodes, on this machine or fetched; frames are decoded one after the other."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, Shape, numbered_names, picture_digest, say
from superres.data.sources.sized import SizedKeys
from superres.data.sources.source import (
    FrameRange,
    Source,
    check_file,
    last_index,
    select_frames,
)
from superres.data.video.ahead import Ahead
from superres.data.video.colour import ColourKeys
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.keys import Maybe

if TYPE_CHECKING:
    import av
    import numpy as np

    from superres.data.video.facts import VideoFacts


# Frames that wait for a thread which comes late: more than there are threads.
_PASSED = 16


class Video(ColourKeys, SizedKeys):
    """Any video that FFmpeg decodes."""

    any_order: ClassVar[bool] = True

    type: Literal["video"] = "video"
    path: Annotated[Maybe[str], Field(description="Any video on this machine that FFmpeg decodes.")] = None
    file: Annotated[Maybe[str], Field(description="Instead of a path, the name of an entry of `files`.")] = (
        None
    )
    deinterlace: Annotated[
        bool,
        Field(
            description="Make one frame of each pair of fields, by FFmpeg's bwdif. Without it, interlaced "
            "video is refused."
        ),
    ] = False
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a file that is missing, no video, cut off, too small, or too short."""
        self.check_shape(source.location, self.facts(source).shape, smallest)
        _check_range(self, source)

    def notes(self, source: Source) -> list[str]:
        """Say what of the file the frames don't keep."""
        facts = self.facts(source)
        lines = facts.notes(self.wanted, deinterlace=self.deinterlace)
        if facts.sample_aspect != 1:
            aspect = str(facts.sample_aspect).replace("/", ":")
            lines.append(f"{facts.path}: pixels of {aspect} are taken as square")
        return lines

    def size(self, source: Source) -> Shape | None:
        """Return the size that is stated, or that of a file that is there, which its check has read."""
        if self.stated is not None or not Path(source.location).is_file():
            return self.stated
        return self.facts(source).shape

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _VideoReader(self, source)

    def facts(self, source: Source) -> "VideoFacts":
        """Return what the file says of itself; raises UserError as `video_facts` does."""
        from superres.data.video.facts import video_facts

        return video_facts(check_file(source.location, "video"), deinterlace=self.deinterlace)


def _check_range(kind: Video, source: Source) -> range:
    """Return the frames that are taken, of those that the file has at most."""
    from superres.data.video.counting import frames_at_most

    path, frames = source.location, source.frames
    enough = last_index(frames) + 1
    return select_frames(frames, frames_at_most(path, enough, deinterlace=kind.deinterlace), path)


def _taken(kind: Video, source: Source) -> range:
    """Return the frames that are taken; all that follow are counted."""
    from superres.data.video.counting import count_frames

    if source.frames.count is not None:
        return _check_range(kind, source)
    return select_frames(
        source.frames, count_frames(source.location, deinterlace=kind.deinterlace), source.location
    )


class _VideoReader(FrameReader):
    """Decodes ahead in one thread; threads that read convert. Lower indices begin the file again."""

    whole = True

    def __init__(self, kind: Video, source: Source):
        facts = kind.facts(source)
        shape = facts.shape
        kind.check_shape(facts.path, shape)
        say(kind.notes(source))
        self._path, self._deinterlace = source.location, kind.deinterlace
        self._turn, self._colour = facts.turn, facts.colour(kind.wanted)
        self._indices = _taken(kind, source)
        self._lock = threading.Lock()
        self._frames: Ahead[av.VideoFrame] | None = None
        self._next = 0
        # Frames that another thread will ask for: a thread may come before one with a lower index.
        self._passed: dict[int, av.VideoFrame] = {}
        super().__init__(numbered_names(self._path, self._indices), [shape] * len(self._indices))

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        from superres.data.video.convert import rgb_of

        with self._lock:
            frame = self._decoded(self._indices[index])
        picture = rgb_of(frame, self._colour, self._turn)
        return picture, Origin(self.names[index], picture_digest(picture), None)

    def _decoded(self, wanted: int) -> "av.VideoFrame":
        if wanted in self._passed:
            return self._passed.pop(wanted)
        if self._frames is None or wanted < self._next:
            # Seeking lands on another frame in some containers.
            self._frames = Ahead(_decode(self._path, self._deinterlace))
            self._passed, self._next = {}, 0
        while True:
            frame = next(self._frames, None)
            if frame is None:
                raise UserError(
                    f"{self._path}: expected to decode frame {wanted}, found only "
                    f"{counted(self._next, 'frame')} that could be decoded; set the source's frames: "
                    "{count: ...} to what it has"
                )
            self._next += 1
            if self._next > wanted:
                return frame
            if self._next - 1 in self._indices:
                self._passed[self._next - 1] = frame
                if len(self._passed) > _PASSED:
                    del self._passed[min(self._passed)]


def _decode(path: str, deinterlace: bool) -> "Iterator[av.VideoFrame]":
    import av

    from superres.data.video.reader import VideoReader

    with VideoReader(path, deinterlace=deinterlace) as reader:
        for frame in reader:
            assert isinstance(frame, av.VideoFrame)
            yield frame
