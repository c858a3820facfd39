"""The interface to the frames of any source: names and sizes first, then frame by frame.

Read in rising order: every source is fast then, and holds one frame (and one panorama) at a time. Sources
with `read_in_any_order` may be read from several threads. Light: numpy is imported when pixels are read.
"""

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, int]


@dataclass(frozen=True)
class Origin:
    """The origin of a frame's pixels, which finds the same photograph under another name.

    `sha256` is over the decoded RGB picture, before it is cropped or shrunk. For a view it is over the whole
    panorama, and `yaw_degrees` is the sector that the frame shows; None means all of it.
    """

    name: str
    sha256: str
    yaw_degrees: tuple[float, float] | None


class FrameReader(ABC):
    """The frames of a source: `names` and `shapes` (height, width) of each, then `read`.

    `whole` says that an origin has the hash of the frame itself.
    """

    whole = False

    def __init__(self, names: Sequence[str], shapes: Sequence[Shape]):
        self.names = list(names)
        self.shapes = list(shapes)
        self._origins: dict[int, Origin] = {}

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> "np.ndarray":
        """Return frame `index`, uint8 H x W x 3 RGB; raises UserError if decoding fails."""
        frame, self._origins[index] = self._read(index)
        return frame

    def origin(self, index: int) -> Origin:
        """Return the origin of frame `index`; free after the frame has been read."""
        if index not in self._origins:
            self.read(index)
        return self._origins[index]

    @abstractmethod
    def _read(self, index: int) -> "tuple[np.ndarray, Origin]": ...


def say(lines: Sequence[str]) -> None:
    """Print lines on stderr, which a job's log keeps."""
    for line in lines:
        sys.stderr.write(f"{line}\n")


def each_frame(readers: Sequence[FrameReader]) -> Iterator[tuple[FrameReader, int]]:
    """Yield every frame of some readers, in order: its reader, and its index there."""
    for reader in readers:
        for i in range(len(reader)):
            yield reader, i


def picture_digest(picture: "np.ndarray") -> str:
    """Return the sha256 of a picture's size and pixels (uint8 H x W x 3), in hexadecimal."""
    import numpy as np

    digest = hashlib.sha256(f"{picture.shape[1]}x{picture.shape[0]}\n".encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def numbered_names(path: str, indices: Sequence[int]) -> list[str]:
    """Name frames after their file and their index in it."""
    return [f"{Path(path).stem}-{index:04d}" for index in indices]
