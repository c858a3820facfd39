"""Any video that OpenCV opens, on this machine or fetched; frames are decoded one after the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from superres.data.sources.reading import FrameReader, Origin, numbered_names, picture_digest
from superres.data.sources.source import (
    FrameRange,
    Source,
    SourceKind,
    check_file,
    last_index,
    select_frames,
)
from superres.device.base.errors import UserError
from superres.keys import Maybe

if TYPE_CHECKING:
    import cv2
    import numpy as np


class Video(SourceKind):
    """Any video that OpenCV opens."""

    type: Literal["video"] = "video"
    path: Annotated[Maybe[str], Field(description="Any video on this machine that OpenCV opens.")] = None
    file: Annotated[Maybe[str], Field(description="Instead of a path, the name of an entry of `files`.")] = (
        None
    )
    frames: FrameRange = FrameRange()

    def check(self, source: Source, smallest: int) -> None:
        """Raise UserError for a missing file. Frames are counted when the file is read."""
        check_file(source.location, "video")

    def open(self, source: Source, wheels: Path) -> FrameReader:
        """Open the frames that are taken."""
        return _VideoReader(source)


class _VideoReader(FrameReader):
    whole = True

    def __init__(self, source: Source):
        path, frames = source.location, source.frames
        enough = None if frames.count is None else last_index(frames) + 1
        self._indices = select_frames(frames, count_frames(path, enough), path)
        self._frames = VideoFrames(path)
        height, width = self._frames.read(self._indices[0]).shape[:2]
        if height % 2 or width % 2:
            raise UserError(
                f"{path}: expected an even width and height, found {width}x{height}; crop it first"
            )
        super().__init__(numbered_names(path, self._indices), [(height, width)] * len(self._indices))

    def _read(self, index: int) -> "tuple[np.ndarray, Origin]":
        frame = self._frames.read(self._indices[index])
        height, width = self.shapes[index]
        if frame.shape[:2] != (height, width):
            raise UserError(
                f"{self._frames.path}: expected all frames to be {width}x{height}, found frame "
                f"{self._indices[index]} to be {frame.shape[1]}x{frame.shape[0]}"
            )
        return frame, Origin(self.names[index], picture_digest(frame), None)


def count_frames(path: str, enough: int | None = None) -> int:
    """Count the frames of a video that decode, up to `enough`.

    The container's own count is an estimate for some files, so it is ignored. Raises UserError if the file is
    missing or OpenCV can't open it.
    """
    capture = _open(path)
    try:
        count = 0
        while (enough is None or count < enough) and capture.grab():
            count += 1
        return count
    finally:
        capture.release()


class VideoFrames:
    """Frames of a video by index, each decoded once when read in rising order.

    Frames are uint8 H x W x 3, RGB by OpenCV's conversion, upright by the container's rotation.
    """

    def __init__(self, path: str):
        self.path = path
        self._capture = _open(path)
        self._next = 0

    def read(self, index: int) -> "np.ndarray":
        """Decode frame `index`; raises UserError if that fails."""
        import cv2

        if index < self._next:
            # Start again: seeking lands on another frame in some containers.
            self._capture.release()
            self._capture = _open(self.path)
            self._next = 0
        while self._next < index and self._capture.grab():
            self._next += 1
        decoded, frame = self._capture.read() if self._next == index else (False, None)
        if not decoded or frame is None:
            raise UserError(f"{self.path}: expected to decode frame {index}, found only {self._next} frames")
        self._next += 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _open(path: str) -> "cv2.VideoCapture":
    import cv2

    file = check_file(path, "video")
    capture = cv2.VideoCapture(str(file))
    if not capture.isOpened():
        raise UserError(f"{path}: expected a video that OpenCV opens, found something else; convert it first")
    return capture
