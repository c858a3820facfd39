"""Frame files: uint8 RGB frames in one `.npy`, opened memory-mapped.

A file of frames of one size is an array N x H x W x 3. Frames of several sizes follow each other
in a flat array; their `shapes` give the offsets.
"""

from __future__ import annotations

import io
import mmap
import os
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Sequence, Tuple, overload

from superres.device.base.errors import UserError

if TYPE_CHECKING:
    import numpy as np

Shape = Tuple[int, int]


class Frames(Sequence["np.ndarray"]):
    """Random access to the frames of a file; each is a read-only uint8 view, H x W x 3, RGB."""

    def __init__(self, array: np.ndarray, shapes: Sequence[Shape]):
        self.shapes: list[Shape] = [(int(h), int(w)) for h, w in shapes]
        self._array = array
        self._starts = _starts(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        if self._array.ndim == 4:
            return self._array[index]
        flat = self._array[self._starts[index] : self._starts[index + 1]]
        return flat.reshape(*self.shapes[index], 3)

    def forget(self) -> None:
        """Release the memory of the frames read so far; later access reads the file again."""
        pages = getattr(self._array, "_mmap", None)
        if pages is not None and hasattr(pages, "madvise"):
            pages.madvise(mmap.MADV_DONTNEED)


def read_frame(frames: Sequence[np.ndarray], index: int) -> np.ndarray:
    """Return a copy of a frame in memory, which keeps the disk out of the timing."""
    import numpy as np

    return np.array(frames[index])


def open_frames(path: Path, shapes: Sequence[Shape] | None = None) -> Frames:
    """Open a frame file memory-mapped.

    `shapes` is needed for frames of several sizes: one (height, width) a frame. Raises UserError if the
    file is no frame file or its length is not what the shapes ask for.
    """
    import numpy as np

    try:
        array = np.load(str(path), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a frame file (.npy), found something else: {error}") from error
    if array.dtype == np.uint8 and array.ndim == 4 and array.shape[3] == 3:
        return Frames(array, [(array.shape[1], array.shape[2])] * array.shape[0])
    if array.dtype == np.uint8 and array.ndim == 1 and shapes is not None:
        expected = sum(h * w * 3 for h, w in shapes)
        if expected == array.size:
            return Frames(array, shapes)
        raise UserError(f"{path}: expected {expected} bytes of frames by its index, found {array.size}")
    raise UserError(
        f"{path}: expected uint8 frames N x H x W x 3, or a flat array with an index, "
        f"found {array.dtype} {'x'.join(map(str, array.shape))}"
    )


class FrameWriter:
    """Write a frame file frame by frame, in any order and from several threads.

    A context manager: the file gets its final name at the end, and an exception removes it. It doesn't use a
    memory map, whose pages would stay in memory, and on which a full disk kills the process.
    """

    def __init__(self, path: Path, shapes: Sequence[Shape]):
        self.path = Path(path)
        self.shapes = [(int(h), int(w)) for h, w in shapes]
        self._starts = _starts(self.shapes)
        self._partial = self.path.with_name(self.path.name + ".part")

    def __enter__(self) -> FrameWriter:
        header = self._header()
        self._begin = len(header)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("w+b", buffering=0)
        try:
            self._file.write(header)
            self._file.truncate(self._begin + self._starts[-1])
        except OSError:
            self._file.close()
            self._partial.unlink()
            raise
        return self

    def __setitem__(self, index: int, frame: np.ndarray) -> None:
        import numpy as np

        if frame.dtype != np.uint8 or frame.shape != (*self.shapes[index], 3):
            raise ValueError(
                f"frame {index}: expected uint8 {self.shapes[index]}, found {frame.dtype} {frame.shape}"
            )
        rest = np.ascontiguousarray(frame).data.cast("B")
        position = self._begin + self._starts[index]
        # pwrite doesn't move the file position that threads share.
        while rest:
            written = os.pwrite(self._file.fileno(), rest, position)
            rest, position = rest[written:], position + written

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._partial.replace(self.path)
        else:
            self._partial.unlink()

    def _header(self) -> bytes:
        import numpy as np

        uniform = len(set(self.shapes)) == 1
        shape = (len(self.shapes), *self.shapes[0], 3) if uniform else (self._starts[-1],)
        header = io.BytesIO()
        fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, fields)
        return header.getvalue()


def _starts(shapes: Sequence[Shape]) -> list[int]:
    """Return the start of each frame and the end of the last one, in bytes."""
    return [0, *accumulate(h * w * 3 for h, w in shapes)]
