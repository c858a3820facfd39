"""Clips: HR and LR frame files with an index of each."""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from superres.data.download.verify import check_space, naming_full_disk
from superres.data.resampling import downsample
from superres.data.sources.reading import FrameReader, Origin, Shape, each_frame, picture_digest
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source, read_in_any_order
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, write_json
from superres.device.base.progress import Progress
from superres.device.base.words import counted
from superres.device.frames.files import Frames, FrameWriter, open_frames
from superres.device.machine.facts import usable_cpus
from superres.device.machine.memory import available_memory, check_memory

_Fact = TypeVar("_Fact")


def prepare_clip(
    name: str,
    sources: Sequence[Source],
    *,
    multiple: int = 1,
    wheels: Path,
    hr: Path,
    index: Path,
    threads: int = 1,
    part: tuple[int, int] | None = None,
) -> None:
    """Write the high-resolution frames of a clip, and their index; `downsample_clip` makes LR twins of them.

    Frames are cropped at the right and at the bottom to a `multiple` of pixels, that of all scales of the
    study. `hr` is a frame file. `index` is JSON with names, shapes, origins and the digest of every frame
    (`picture_digest`). Each file gets its name when it is complete, the index last. `wheels` is the folder of
    downloaded wheels. If the sources allow it, `threads` threads make frames, with one frame in memory each;
    fewer where memory is short. `part` is a shard (`superres.data.shards`): its first frame and the one after
    its last; by default all frames. Raises UserError for a faulty source, a frame smaller than `multiple`,
    and a full disk.
    """
    readers = [open_source(source, wheels) for source in sources]
    taken = slice(*part) if part is not None else slice(None)
    frames = list(each_frame(readers))[taken]
    given = [shape for reader in readers for shape in reader.shapes][taken]
    shapes = [cropped(shape, multiple) for shape in given]
    names = [reader.names[place] for reader, place in frames]
    _say_cropped(name, names, given, multiple)
    job = f"prepare_clip {name}"
    threads = _fitting_threads(job, given, threads if read_in_any_order(sources) else 1)
    with naming_full_disk(hr, "and run it again"):
        check_space([(hr.parent, _bytes(shapes))], f"frames of {name}")
        written = _write_frames(job, hr, shapes, threads, lambda high: _FrameMaker(frames, shapes, high))
        content = {
            "name": name,
            "sources": [source.describe() for source in sources],
            "names": names,
            "multiple": multiple,
            "hr_shapes": shapes,
            "hr_sha256": [frame.digest for frame in written],
            "origins": [dataclasses.asdict(frame.origin) for frame in written],
        }
        with Outputs({"index": str(index)}) as outputs:
            write_json(outputs["index"], content)


def _write_frames(
    job: str,
    path: Path,
    shapes: Sequence[Shape],
    threads: int,
    maker: Callable[[FrameWriter], Callable[[int], _Fact]],
) -> list[_Fact]:
    """Write a frame file by threads that make a frame each, and return what is known of every frame."""
    with (
        Progress(job, total=len(shapes)) as progress,
        FrameWriter(path, shapes) as writer,
        frame_threads(threads) as pool,
    ):
        facts: list[_Fact] = []
        for fact in pool.map(maker(writer), range(len(shapes))):
            facts.append(fact)
            progress.update()
    return facts


def cropped(shape: Shape, multiple: int) -> Shape:
    """Return the largest height and width up to those of a shape that are multiples."""
    return shape[0] // multiple * multiple, shape[1] // multiple * multiple


def _say_cropped(name: str, names: Sequence[str], shapes: Sequence[Shape], multiple: int) -> None:
    """Print how many frames are cropped; raise UserError for one that nothing would be left of."""
    changed = [
        (frame, shape)
        for frame, shape in zip(names, shapes, strict=True)
        if cropped(shape, multiple) != shape
    ]
    for frame, shape in changed:
        if 0 in cropped(shape, multiple):
            raise UserError(
                f"{name}: expected frames of at least {multiple}x{multiple} pixels, which all scales of this "
                f"study divide, found {frame} with {shape[1]}x{shape[0]}; leave it out"
            )
    if changed:
        frame, shape = changed[0]
        height, width = cropped(shape, multiple)
        print(
            f"{name}: {len(changed)} of {counted(len(shapes), 'frame')} cropped to multiples of {multiple} "
            f"pixels: {frame} from {shape[1]}x{shape[0]} to {width}x{height}",
            file=sys.stderr,
        )


def downsample_clip(
    hr: Path, index: Path, downsampling: str, scale: int, *, lr: Path, lr_index: Path, threads: int = 1
) -> None:
    """Write the LR twins of a clip's frames at a scale, and their index: kernel and digest of every frame.

    `hr` and `index` are files of `prepare_clip`, `downsampling` is one of KERNELS. HR pixels beyond a
    multiple of the scale have no twin. Raises UserError for a full disk.
    """
    content = read_json(index, ("name", "hr_shapes"))
    shapes = [(height // scale, width // scale) for height, width in content["hr_shapes"]]
    name = f"{content['name']} x{scale}"
    frames = open_frames(hr, [(height, width) for height, width in content["hr_shapes"]])
    job = f"downsample_clip {name}"
    threads = _fitting_threads(job, frames.shapes, threads)
    with naming_full_disk(lr, "and run it again"):
        check_space([(lr.parent, _bytes(shapes))], f"frames of {name}")
        digests = _write_frames(
            job, lr, shapes, threads, lambda low: _TwinMaker(frames, downsampling, scale, low)
        )
        written = {"name": content["name"], "scale": scale, "downsampling": downsampling}
        with Outputs({"index": str(lr_index)}) as outputs:
            write_json(outputs["index"], {**written, "lr_shapes": shapes, "lr_sha256": digests})


# The decoded picture twice, and its filtered twin in float32.
_BYTES_A_PIXEL = 2 * 3 + 3 * 4


def _fitting_threads(job: str, shapes: Sequence[Shape], threads: int) -> int:
    """Return how many threads have room for the largest frame each; raises UserError if none has."""
    height, width = max(shapes, key=lambda shape: shape[0] * shape[1])
    needed = height * width * _BYTES_A_PIXEL
    check_memory(
        needed,
        f"{job}, frames of {width}x{height}",
        "close other programs, or take smaller frames",
    )
    available = available_memory()
    return threads if available is None else max(1, min(threads, available // needed))


@dataclass(frozen=True)
class _Written:
    """A written frame: the digest of its pixels, and its origin."""

    digest: str
    origin: Origin


@dataclass(frozen=True)
class _FrameMaker:
    """Writes single frames, from several threads."""

    frames: Sequence[tuple[FrameReader, int]]
    shapes: Sequence[Shape]
    high: FrameWriter

    def __call__(self, index: int) -> _Written:
        reader, place = self.frames[index]
        read = reader.read(place)
        height, width = self.shapes[index]
        self.high[index] = frame = read[:height, :width]
        origin = reader.origin(place)
        whole = reader.whole and frame.shape == read.shape
        return _Written(origin.sha256 if whole else picture_digest(frame), origin)


@dataclass(frozen=True)
class _TwinMaker:
    """Writes single LR twins of frames, from several threads."""

    frames: Frames
    downsampling: str
    scale: int
    low: FrameWriter

    def __call__(self, index: int) -> str:
        frame = self.frames[index]
        height, width = cropped((frame.shape[0], frame.shape[1]), self.scale)
        self.low[index] = twin = downsample(frame[:height, :width], self.downsampling, self.scale)
        return picture_digest(twin)


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
