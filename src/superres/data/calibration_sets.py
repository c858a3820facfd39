"""Calibration sets: centre crops of photographs in a frame file, an index, and a comparison with clips."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from superres.data.sources.reading import FrameReader, Origin, each_frame, picture_digest
from superres.data.sources.registry import open_source
from superres.data.sources.source import Source
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, write_json
from superres.device.base.progress import Progress
from superres.device.frames.files import FrameWriter


def prepare_calibration_set(
    name: str,
    sources: Sequence[Source],
    width: int,
    height: int,
    *,
    shuffle: int | None = None,
    wheels: Path,
    frames_out: Path,
    index_out: Path,
) -> None:
    """Write a calibration set: the centre `width` x `height` pixels of each image, and its index.

    Images follow the sources, or lie in the random order of the seed `shuffle`. Raises UserError if an image
    is too small or occurs twice. `check_disjoint_images` compares it with clips.
    """
    readers = [open_source(source, wheels) for source in sources]
    frames = list(each_frame(readers))
    for reader, i in frames:
        _check_size(reader, i, width, height)
    shapes = [(height, width)] * len(frames)
    order = np.arange(len(frames))
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(order)
    place = np.argsort(order)
    origins: list[Origin] = []
    digests: list[str] = []
    with (
        Progress(f"prepare_calibration_set {name}", total=len(shapes)) as progress,
        FrameWriter(frames_out, shapes) as out,
    ):
        # In the order of the sources, which every reader is fast in.
        for i, (reader, j) in enumerate(frames):
            out[int(place[i])] = crop = _centre(reader.read(j), width, height)
            digests.append(picture_digest(crop))
            origin = reader.origin(j)
            _check_new(origin, origins, name)
            origins.append(origin)
            progress.update()
    content = {
        "name": name,
        "sources": [source.describe() for source in sources],
        "names": [frames[i][0].names[frames[i][1]] for i in order],
        "shapes": shapes,
        "sha256": [digests[i] for i in order],
        "origins": [dataclasses.asdict(origins[i]) for i in order],
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


def check_disjoint_images(images: Path, clips: Sequence[Path], out: Path) -> None:
    """Compare the images of one index with the clips of others by their pixels' hashes; write a JSON record.

    This finds the same picture under two names. The same name twice is found before any work starts, by
    `superres.data.sources.source.check_disjoint`. Raises UserError and writes nothing if a picture is shared.
    """
    name, origins = _read_index(images)
    taken = {clip: _read_index(clip)[1] for clip in clips}
    for clip, frames in taken.items():
        for origin in origins:
            for frame in frames:
                if origin.sha256 == frame.sha256:
                    raise UserError(
                        f"{name}: expected images that no clip has, found {origin.name} to be the same "
                        f"picture as {frame.name} of {clip}; exclude it"
                    )
    content = {
        "images": name,
        "number": len(origins),
        "clips": {clip.as_posix(): len(frames) for clip, frames in taken.items()},
        "shared": 0,
    }
    with Outputs({"record": str(out)}) as outputs:
        write_json(outputs["record"], content)


def _read_index(index: Path) -> tuple[str, list[Origin]]:
    content = read_json(index, ("name", "origins"))
    origins = content["origins"]
    return content["name"], [
        Origin(o["name"], o["sha256"], tuple(o["yaw_degrees"]) if o["yaw_degrees"] else None) for o in origins
    ]
