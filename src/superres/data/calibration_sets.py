"""Calibration sets: centre crops of photographs in one frame file, and an index beside it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superres.data.sources.reading import FrameReader, Origin, each_frame, picture_digest
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_json
from superres.device.base.progress import Progress
from superres.device.frames.files import FrameWriter


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
    for reader, i in each_frame(readers):
        _check_size(reader, i, width, height)
    shapes = [(height, width)] * sum(len(reader) for reader in readers)
    origins: list[Origin] = []
    digests: list[str] = []
    with (
        Progress(f"prepare_calibration_set {name}", total=len(shapes)) as progress,
        FrameWriter(frames_out, shapes) as out,
    ):
        for i, (reader, j) in enumerate(each_frame(readers)):
            out[i] = crop = _centre(reader.read(j), width, height)
            digests.append(picture_digest(crop))
            origin = reader.origin(j)
            _check_new(origin, origins, name)
            origins.append(origin)
            progress.update()
    content = {
        "name": name,
        "sources": [source.describe() for source in sources],
        "names": [frame_name for reader in readers for frame_name in reader.names],
        "shapes": shapes,
        "sha256": digests,
        "origins": [dataclasses.asdict(origin) for origin in origins],
    }
    with Outputs({"index": str(index_out)}) as outputs:
        write_json(outputs["index"], content)


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
