"""Frames of any video that OpenCV opens, decoded one after the other."""

from pathlib import Path

import cv2
import numpy as np

from superres.data.sources.check_files import check_file
from superres.device.base.errors import UserError


def count_frames(path: str, enough: int | None = None) -> int:
    """How many frames of a video really decode, counting no further than `enough`.

    What the container says isn't asked: it is an estimate for some files. Raises UserError if the file is
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
    """Frames of a video by index; reading in rising order decodes each frame once.

    Frames are uint8 H x W x 3, RGB by OpenCV's own conversion, upright by the container's rotation.
    """

    def __init__(self, path: str):
        self.path = path
        self._capture = _open(path)
        self._next = 0

    def read(self, index: int) -> np.ndarray:
        """Decode frame `index`; raises UserError if that fails."""
        if index < self._next:
            # Seeking lands on another frame in some containers; starting again doesn't.
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


def _open(path: str) -> cv2.VideoCapture:
    file: Path = check_file(path, "video")
    capture = cv2.VideoCapture(str(file))
    if not capture.isOpened():
        raise UserError(f"{path}: expected a video that OpenCV opens, found something else; convert it first")
    return capture
