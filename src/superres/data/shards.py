"""Shards: a clip or a training set whose frames several jobs prepare, joined to the bytes of one job."""

from collections.abc import Sequence
from pathlib import Path

from superres.data.sources.source import Source
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, write_json

# What an index has for each frame; all else is about the whole.
_OF_FRAMES = ("names", "hr_shapes", "hr_sha256", "origins")


def shards_of(sources: Sequence[Source], size: int | None) -> list[tuple[int, int]]:
    """Return the shards of some sources, each with its first frame and the one after its last.

    None are returned where one job does it all: without a `size`, for no more frames than that, and for
    sources whose number of frames isn't known before any work. That of a file that is fetched never is,
    unless the study names it, for it must not change with what was downloaded.
    """
    counts = [s.frames.count if s.pinned is not None else s.kind.number(s) for s in sources]
    known = [count for count in counts if count is not None]
    total = sum(known)
    if size is None or len(known) < len(counts) or total <= size:
        return []
    return [(first, min(first + size, total)) for first in range(0, total, size)]


def join_frames(parts: Sequence[Path], indexes: Sequence[Path], path: Path) -> None:
    """Write one HR frame file of those of all shards."""
    from superres.device.frames.files import FrameWriter, open_frames

    shapes = [[(h, w) for h, w in read_json(index, ("hr_shapes",))["hr_shapes"]] for index in indexes]
    with FrameWriter(path, [shape for of_part in shapes for shape in of_part]) as writer:
        place = 0
        for part, of_part in zip(parts, shapes, strict=True):
            frames = open_frames(part, of_part)
            for frame in frames:
                writer[place] = frame
                frames.forget()
                place += 1


def join_indexes(parts: Sequence[Path], path: Path) -> None:
    """Write one index of those of all shards. Raises UserError if they aren't parts of one set."""
    contents = [read_json(part, ("names", "hr_shapes")) for part in parts]
    whole = {key: value for key, value in contents[0].items() if key not in _OF_FRAMES}
    for part, content in zip(parts, contents, strict=True):
        if {key: value for key, value in content.items() if key not in _OF_FRAMES} != whole:
            raise UserError(f"{part}: expected a shard like {parts[0]}, found another set; remove both")
    joined = {
        key: [entry for content in contents for entry in content[key]] if key in _OF_FRAMES else value
        for key, value in contents[0].items()
    }
    with Outputs({"index": str(path)}) as outputs:
        write_json(outputs["index"], joined)
