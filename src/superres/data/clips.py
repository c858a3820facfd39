"""Clips: HR and LR frame files with an index."""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from superres.data.download.verify import check_space, naming_full_disk
from superres.data.resampling import downsample
from superres.data.sources.reading import FrameReader, Origin, Shape, each_frame, picture_digest
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source, read_in_any_order
from superres.device.base.outputs import Outputs, write_json
from superres.device.base.progress import Progress
from superres.device.frames.files import FrameWriter
from superres.device.machine.facts import usable_cpus
from superres.device.machine.memory import available_memory, check_memory


def prepare_clip(
    name: str,
    sources: Sequence[Source],
    downsampling: str,
    *,
    wheels: Path,
    hr: Path,
    lr: Path,
    index: Path,
    threads: int = 1,
    part: tuple[int, int] | None = None,
) -> None:
    """Write a clip: its high-resolution frames, their x2-downsampled twins, and the index of both.

    `hr` and `lr` are frame files. `index` is JSON with names, shapes, origins and the digest of every frame
    (`picture_digest`). Each file gets its name when it is complete, the index last. `wheels` is the folder of
    downloaded wheels, `downsampling` one of KERNELS. If the sources allow it, `threads` threads make frames,
    with one frame in memory each; fewer where memory is short. `part` is a shard (`superres.data.shards`):
    its first frame and the one after its last; by default all frames. Raises UserError for a faulty source
    and for a full disk.
    """
    readers = [open_source(source, wheels) for source in sources]
    taken = slice(*part) if part is not None else slice(None)
    shapes = [shape for reader in readers for shape in reader.shapes][taken]
    halves = [(height // 2, width // 2) for height, width in shapes]
    threads = _fitting_threads(name, shapes, threads if read_in_any_order(sources) else 1)
    with naming_full_disk(hr, "and run it again"):
        check_space([(hr.parent, _bytes(shapes)), (lr.parent, _bytes(halves))], f"frames of {name}")
        with (
            Progress(f"prepare_clip {name}", total=len(shapes)) as progress,
            FrameWriter(hr, shapes) as high,
            FrameWriter(lr, halves) as low,
            frame_threads(threads) as pool,
        ):
            written: list[_Written] = []
            for frame in pool.map(
                _FrameMaker(list(each_frame(readers))[taken], downsampling, high, low), range(len(shapes))
            ):
                written.append(frame)
                progress.update()
        content = {
            "name": name,
            "sources": [source.describe() for source in sources],
            "downsampling": downsampling,
            "names": [frame_name for reader in readers for frame_name in reader.names][taken],
            "hr_shapes": shapes,
            "lr_shapes": halves,
            "hr_sha256": [frame.hr for frame in written],
            "lr_sha256": [frame.lr for frame in written],
            "origins": [dataclasses.asdict(frame.origin) for frame in written],
        }
        with Outputs({"index": str(index)}) as outputs:
            write_json(outputs["index"], content)


# The decoded picture twice, and its filtered twin in float32.
_BYTES_A_PIXEL = 2 * 3 + 3 * 4


def _fitting_threads(name: str, shapes: Sequence[Shape], threads: int) -> int:
    """Return how many threads have room for the largest frame each; raises UserError if none has."""
    height, width = max(shapes, key=lambda shape: shape[0] * shape[1])
    needed = height * width * _BYTES_A_PIXEL
    check_memory(
        needed,
        f"prepare_clip {name}, frames of {width}x{height}",
        "close other programs, or take smaller frames",
    )
    available = available_memory()
    return threads if available is None else max(1, min(threads, available // needed))


@dataclass(frozen=True)
class _Written:
    """A written frame: digests of its HR and LR pixels, and its origin."""

    hr: str
    lr: str
    origin: Origin


@dataclass(frozen=True)
class _FrameMaker:
    """Writes single frames and their LR twins, from several threads."""

    frames: Sequence[tuple[FrameReader, int]]
    downsampling: str
    high: FrameWriter
    low: FrameWriter

    def __call__(self, index: int) -> _Written:
        reader, place = self.frames[index]
        self.high[index] = frame = reader.read(place)
        self.low[index] = twin = downsample(frame, self.downsampling)
        origin = reader.origin(place)
        return _Written(
            origin.sha256 if reader.whole else picture_digest(frame), picture_digest(twin), origin
        )


@contextmanager
def frame_threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """Open a pool of threads, at most one for each CPU. With several, OpenCV runs on one thread."""
    import cv2

    workers = min(number, usable_cpus())
    before = cv2.getNumThreads()
    cv2.setNumThreads(1 if workers > 1 else before)
    try:
        with ThreadPoolExecutor(workers) as pool:
            try:
                yield pool
            finally:
                # After an error or an interrupt, start no more frames.
                pool.shutdown(cancel_futures=True)
    finally:
        cv2.setNumThreads(before)


def _bytes(shapes: Sequence[Shape]) -> int:
    return sum(height * width * 3 for height, width in shapes)
