"""Clips and calibration sets: frame files that everything after reads, and an index beside them."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from superres.data.disjoint import Origin
from superres.data.reading import FrameReader, open_source
from superres.data.resampling import downsample
from superres.data.sources import Source
from superres.device.errors import UserError
from superres.device.frames import FrameWriter
from superres.device.outputs import Outputs, write_json
from superres.device.progress import Progress


def prepare_clip(
    name: str,
    sources: Sequence[Source],
    downsampling: str,
    *,
    wheels: Path,
    hr: Path,
    lr: Path,
    index: Path,
) -> None:
    """Write a clip: its high-resolution frames, their x2-downsampled twins, and the index of both.

    `hr` and `lr` are frame files, `index` is JSON with names, shapes and origins; each appears under its
    name only when it is whole, the index last. `wheels` is the folder of downloaded wheels, `downsampling`
    one of KERNELS. One frame is in memory at a time. Raises UserError for what a source gets wrong.
    """
    readers = [open_source(source, wheels) for source in sources]
    shapes = [shape for reader in readers for shape in reader.shapes]
    halves = [(height // 2, width // 2) for height, width in shapes]
    origins: list[Origin] = []
    with (
        Progress(f"prepare_clip {name}", total=len(shapes)) as progress,
        FrameWriter(hr, shapes) as high,
        FrameWriter(lr, halves) as low,
    ):
        for i, (reader, j) in enumerate(_each_frame(readers)):
            frame = reader.read(j)
            high[i] = frame
            low[i] = downsample(frame, downsampling)
            origins.append(reader.origin(j))
            progress.update()
    _write_index(
        index,
        {
            "name": name,
            "sources": [describe_source(source) for source in sources],
            "downsampling": downsampling,
            "names": [frame_name for reader in readers for frame_name in reader.names],
            "hr_shapes": shapes,
            "lr_shapes": halves,
            "origins": [dataclasses.asdict(origin) for origin in origins],
        },
    )


def prepare_calibration_set(
    name: str,
    sources: Sequence[Source],
    width: int,
    height: int,
    *,
    wheels: Path,
    frames_out: Path,
    index_out: Path,
) -> None:
    """Write a calibration set: the centre `width` x `height` pixels of each image, and its index.

    Raises UserError if an image is too small or occurs twice. That no clip has it is checked apart, by
    `check_disjoint_images`.
    """
    readers = [open_source(source, wheels) for source in sources]
    for reader, i in _each_frame(readers):
        _check_size(reader, i, width, height)
    shapes = [(height, width)] * sum(len(reader) for reader in readers)
    origins: list[Origin] = []
    with (
        Progress(f"prepare_calibration_set {name}", total=len(shapes)) as progress,
        FrameWriter(frames_out, shapes) as out,
    ):
        for i, (reader, j) in enumerate(_each_frame(readers)):
            out[i] = _centre(reader.read(j), width, height)
            origin = reader.origin(j)
            _check_new(origin, origins, name)
            origins.append(origin)
            progress.update()
    _write_index(
        index_out,
        {
            "name": name,
            "sources": [describe_source(source) for source in sources],
            "names": [frame_name for reader in readers for frame_name in reader.names],
            "shapes": shapes,
            "origins": [dataclasses.asdict(origin) for origin in origins],
        },
    )


def describe_source(source: Source) -> dict[str, object]:
    """A source as plain values for JSON: its kind's class name and every setting."""
    return {
        "kind": type(source.kind).__name__,
        **dataclasses.asdict(source.kind),
        "frames": dataclasses.asdict(source.frames),
    }


def _each_frame(readers: Sequence[FrameReader]) -> Iterator[tuple[FrameReader, int]]:
    for reader in readers:
        for i in range(len(reader)):
            yield reader, i


def _check_size(reader: FrameReader, i: int, width: int, height: int) -> None:
    rows, columns = reader.shapes[i]
    if rows < height or columns < width:
        raise UserError(
            f"calibration image {reader.names[i]}: expected at least {width}x{height}, found "
            f"{columns}x{rows}; exclude it, or lower the set's size or the source's shrink"
        )


def _centre(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    top, left = (frame.shape[0] - height) // 2, (frame.shape[1] - width) // 2
    return frame[top : top + height, left : left + width]


def _check_new(origin: Origin, others: Sequence[Origin], name: str) -> None:
    for other in others:
        if other.sha256 == origin.sha256 and other.yaw_degrees == origin.yaw_degrees:
            raise UserError(
                f"calibration set {name}: expected different images, found {origin.name} to be the same as "
                f"{other.name}; exclude one"
            )


def _write_index(path: Path, content: dict[str, object]) -> None:
    with Outputs({"index": str(path)}) as outputs:
        write_json(outputs["index"], content)
