"""Upscale a video: decode, infer and encode at the same time, in constant memory; and open its engine."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue
from typing import Any

from superres.data.sources.reading import say
from superres.data.video.ahead import WAITING, Ahead
from superres.data.video.reader import VideoReader
from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json
from superres.device.base.progress import Progress
from superres.device.job import Job
from superres.device.runtimes.base import Session, takes
from superres.device.runtimes.tiled import tile_sizes, tiling_of
from superres.device.tasks.engine import Engine
from superres.targets.local import run_here
from superres.upscale.codecs import CONTAINERS, Codec, chosen_codec
from superres.upscale.timing import rate_notes
from superres.upscale.tracks import Tracks
from superres.upscale.videos import Picture, VideoWriter, Y4mWriter, output_format, picture_notes, pictures

_END = object()


@dataclass(frozen=True)
class UpscaleSettings:
    """Settings of a video: the session's `scale`, the codec, and the quality `crf` of H.264 (0: lossless).

    Interlaced input is refused unless `deinterlace`.
    """

    scale: int = DEFAULT_SCALE
    codec: Codec = "auto"
    crf: int = 16
    deinterlace: bool = False


def upscale_video(session: Session, source: Path, out: Path, settings: UpscaleSettings, label: str) -> int:
    """Write a video larger by the session's scale, and return its number of frames.

    One thread decodes, this one upscales, another encodes; FFmpeg and the runtimes compute without Python's
    lock. The file gets its name when it is complete. Raises UserError for an unreadable video, an output that
    is the input, and a name that doesn't fit the codec.
    """
    codec = chosen_codec(out, settings.codec)
    if out.exists() and source.exists() and out.samefile(source):
        raise UserError(f"{out}: expected an output other than the input, found the same file")
    deinterlace = settings.deinterlace
    with VideoReader(source, deinterlace=deinterlace) as reader, Outputs({"video": str(out)}) as outputs:
        form = output_format(reader, out, codec, settings.scale)
        tracks = Tracks(reader.container, reader.stream, CONTAINERS[out.suffix.lower()], str(out))
        reader.others = tracks.others
        notes = reader.facts.notes(deinterlace=deinterlace) + reader.facts.lost_in_copies
        say(notes + rate_notes(reader.facts) + picture_notes(reader.facts, form, out) + tracks.notes)
        opened = (
            Y4mWriter(outputs["video"], form)
            if codec == "y4m"
            else VideoWriter(outputs["video"], form, tracks, codec, settings.crf)
        )
        with opened as writer, Progress(label, form.frames) as progress:
            count = _run(session, pictures(reader, form), writer, progress)
            progress.total = count
    return count


def _run(session: Session, items: Iterator[Any], writer: VideoWriter | Y4mWriter, progress: Progress) -> int:
    count = 0
    with Ahead(items) as decoded, _consumed_by(_writes(writer)) as put:
        for item in decoded:
            if not isinstance(item, Picture):
                put(item)
                continue
            # Copied: the session's frame is valid only until the next call.
            put(replace(item, rgb=session.run(item.rgb).copy()))
            count += 1
            progress.total = max(progress.total, count)
            progress.update()
    return count


def _writes(writer: VideoWriter | Y4mWriter) -> Callable[[Any], None]:
    return lambda item: writer.write(item) if isinstance(item, Picture) else writer.copy(item)


@contextmanager
def _consumed_by(consume: Callable[[Any], None]) -> Iterator[Callable[[Any], None]]:
    """Hand items to a thread. Leaving waits until all are consumed, and raises the thread's exception."""
    queue: Queue[Any] = Queue(WAITING)
    failed: list[BaseException] = []

    def work() -> None:
        while (item := queue.get()) is not _END:
            if not failed:
                try:
                    consume(item)
                except BaseException as error:  # noqa: BLE001 - raised again below
                    failed.append(error)

    def put(item: Any) -> None:
        if failed:
            raise failed[0]
        queue.put(item)

    thread = threading.Thread(target=work, name="encode")
    thread.start()
    try:
        yield put
    finally:
        queue.put(_END)
        thread.join()
    if failed:
        raise failed[0]


@dataclass(frozen=True)
class BuiltFrom:
    """Files that an arm's engine was built from: the model, and frames for TensorRT's own calibration.

    Bicubic has no model.
    """

    model: str | None
    calibration: str | None


@contextmanager
def open_for(size: tuple[int, int], engine: Engine, source: BuiltFrom, label: str) -> Iterator[Session]:
    """Open the arm's engine if it takes frames of `size` (height, width), else one built for this size.

    The temporary engine has the same model and settings. Raises UserError as `Engine.open` does, and if the
    runtime can't build the engine.
    """
    record = read_json(engine.record, ("status", "facts", "settings"))
    footprint = record["settings"].get("footprint")
    part = tiling_of(size, footprint).tile if footprint else size
    if record["status"] != "ok" or takes(record["facts"], part):
        yield engine.open([size])[0]
        return
    height, width = size
    print(f"{label}: building an engine for frames of {width}x{height}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        built = replace(engine, path=Path(folder, "engine.bin"), record=Path(folder, "engine.json"))
        run_here(_build(built, record["settings"], source, size, label))
        yield built.open([size])[0]


def _build(
    engine: Engine, settings: dict[str, Any], source: BuiltFrom, size: tuple[int, int], label: str
) -> Job:
    sides = list(size)
    sizes: dict[str, list[int]] = dict.fromkeys(("smallest", "tuned", "largest"), sides)
    if footprint := settings.get("footprint"):
        sizes = tile_sizes(sizes, footprint)
    inputs = {"model": source.model, "calibration": source.calibration}
    return Job(
        task="build_engine",
        runtime=engine.runtime,
        precision=engine.precision,
        threads=engine.threads,
        inputs={name: path for name, path in inputs.items() if path is not None},
        outputs={"engine": str(engine.path), "record": str(engine.record)},
        settings={**settings, "sizes": sizes},
        label=label,
    )
