"""The shared part of sessions whose engines use the same arrays for all frames of a size."""

from abc import abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Sequence, Tuple

import numpy as np

from superres.device.frames.pixels import from_blocks, to_pixels, to_planes
from superres.device.runtimes.base import Session, Settings

LEAST_BLOCK_CHANNELS = 12


class BoundSession(Session):
    """An engine between two arrays, which are allocated once for each frame size.

    Arrays of uint8 frames: 1 x H x W x 3 in, 1 x sH x sW x 3 out, s the scale. With `block_channels` the
    output is 1 x H x W x `block_channels` and is converted here (`frames.pixels.from_blocks`). Float32
    planes, range 0 to 1: 1 x 3 x H x W in, 1 x 3 x sH x sW out, converted here in numpy.
    """

    def __init__(self, settings: Settings, block_channels: int = 0):
        self._planar = settings.frames == "float32"
        self._block_channels = block_channels
        self._threads = settings.threads
        self._scale = settings.scale
        self._pool = ThreadPoolExecutor(settings.threads) if self._planar and settings.threads > 1 else None
        self._size: Tuple[int, int] = (0, 0)

    @abstractmethod
    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        """Make the engine read `inputs` and write `outputs` from now on."""

    @abstractmethod
    def infer(self) -> None:
        """Run the engine, and wait until it is done."""

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an array for the engine's input or output, in suitable memory."""
        return np.empty(shape, dtype)

    def _allocate(self, size: Tuple[int, int]) -> None:
        height, width = self._size = size
        larger = self._scale * height, self._scale * width
        self._frame = self.empty((*larger, 3), np.uint8)
        if self._planar:
            self._inputs = self.empty((1, 3, height, width), np.float32)
            self._outputs = self.empty((1, 3, *larger), np.float32)
        else:
            self._inputs = self.empty((1, height, width, 3), np.uint8)
            self._outputs = self._frame[np.newaxis]
            if self._block_channels:
                self._outputs = self.empty((1, height, width, self._block_channels), np.uint8)
        # A bound output reuses its memory, which saves 25 MB of page faults in each run.
        self.bind(self._inputs, self._outputs)

    def preprocess(self, frame: np.ndarray) -> None:
        if frame.shape[:2] != self._size:
            self._allocate((frame.shape[0], frame.shape[1]))
        if self._planar:
            to_planes(frame, self._inputs)
        else:
            np.copyto(self._inputs[0], frame)

    def execute(self, inputs: None) -> None:
        self.infer()

    def postprocess(self, outputs: None) -> np.ndarray:
        if self._planar:
            to_pixels(self._outputs, self._frame, self._pool, self._threads)
        elif self._block_channels:
            from_blocks(self._outputs[0], self._frame, self._scale)
        return self._frame


def block_channels(dimensions: Sequence[Any]) -> int:
    """Return the number of channels of an engine's blocks; 0 if it outputs frames or planes.

    `dimensions` are those of its output; the last is a number for frames and blocks.
    """
    last = dimensions[-1]
    return last if isinstance(last, int) and last >= LEAST_BLOCK_CHANNELS else 0
