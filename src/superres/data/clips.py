"""Clips: frame files that everything after reads, and an index beside them."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from superres.data.download.space import check_space, naming_full_disk
from superres.data.frame_journal import FrameJournal, WrittenFrame
from superres.data.frame_threads import frame_threads
from superres.data.indices import describe_source, each_frame, write_index
from superres.data.resampling import downsample
from superres.data.sources.reading import FrameReader, open_source, picture_digest
from superres.data.sources.source import Source, read_in_any_order
from superres.device.base.progress import Progress
from superres.device.frames.files import FrameWriter


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
) -> None:
    """Write a clip: its high-resolution frames, their x2-downsampled twins, and the index of both.

    `hr` and `lr` are frame files, `index` is JSON with names, shapes, origins and the digest of every frame
    (`picture_digest`); each appears under its name only when it is whole, the index last. `wheels` is the folder of downloaded wheels, `downsampling`
    one of KERNELS. Where the sources allow it, `threads` frames are made side by side, each holding one frame in memory.
    A killed call leaves what the next one goes on with. Raises UserError for what a source gets wrong, and for a full disk.
    """
    readers = [open_source(source, wheels) for source in sources]
    shapes = [shape for reader in readers for shape in reader.shapes]
    halves = [(height // 2, width // 2) for height, width in shapes]
    content: dict[str, object] = {
        "name": name,
        "sources": [describe_source(source) for source in sources],
        "downsampling": downsampling,
        "names": [frame_name for reader in readers for frame_name in reader.names],
        "hr_shapes": shapes,
        "lr_shapes": halves,
    }
    files = [Path(file) for source in sources for file in source.files]
    journal = FrameJournal(index.with_name(f"{index.name}.journal"), content, files)
    with naming_full_disk(hr, "and run it again"), journal:
        if not journal.written:
            check_space([(hr.parent, _bytes(shapes)), (lr.parent, _bytes(halves))], f"frames of {name}")
        with (
            FrameWriter(hr, shapes, resume=True) as high,
            FrameWriter(lr, halves, resume=True) as low,
            frame_threads(threads if read_in_any_order(sources) else 1) as pool,
        ):
            make = _FrameMaker(list(each_frame(readers)), downsampling, high, low, journal)
            made = pool.map(make, range(len(shapes)))
            written = _note_frames(made, journal, Progress(f"prepare_clip {name}", total=len(shapes)))
        made_of = {
            "hr_sha256": [frame.hr for frame in written],
            "lr_sha256": [frame.lr for frame in written],
            "origins": [dataclasses.asdict(frame.origin) for frame in written],
        }
        write_index(index, {**content, **made_of})


def _note_frames(
    made: Iterable[WrittenFrame], journal: FrameJournal, progress: Progress
) -> list[WrittenFrame]:
    """Note each frame once it is written; all of them, for the index."""
    frames = []
    with progress:
        for i, written in enumerate(made):
            journal.note(i, written)
            frames.append(written)
            progress.update()
    return frames


@dataclasses.dataclass(frozen=True)
class _FrameMaker:
    """Writes single frames and their twins, from several threads."""

    frames: Sequence[tuple[FrameReader, int]]
    downsampling: str
    high: FrameWriter
    low: FrameWriter
    journal: FrameJournal

    def __call__(self, index: int) -> WrittenFrame:
        before = self.journal.written.get(index)
        if before is not None and self._stands(index, before):
            return before
        reader, place = self.frames[index]
        self.high[index] = frame = reader.read(place)
        self.low[index] = twin = downsample(frame, self.downsampling)
        origin = reader.origin(place)
        return WrittenFrame(
            origin.sha256 if reader.whole else picture_digest(frame), picture_digest(twin), origin
        )

    def _stands(self, index: int, before: WrittenFrame) -> bool:
        """Whether what a killed call has noted is what the files hold."""
        found = (picture_digest(self.high[index]), picture_digest(self.low[index]))
        return found == (before.hr, before.lr)


def _bytes(shapes: Sequence[tuple[int, int]]) -> int:
    return sum(height * width * 3 for height, width in shapes)
