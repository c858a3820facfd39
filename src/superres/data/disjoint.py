"""Do a clip and other images show the same pixels? Answered from their indices, once both are prepared.

What a study names twice is found before any work starts (`superres.data.sources.source.check_disjoint`); this
finds the same picture under two names as well, by the hash of its pixels.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from superres.data.sources.reading import Origin
from superres.data.sources.turning_view import sectors_overlap
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_json


def check_disjoint_images(images: Path, clips: Sequence[Path], out: Path) -> None:
    """Write to `out` (JSON) that the images of one index share no pixel with the clips of others.

    Raises UserError, and writes nothing, for the first image that does.
    """
    name, origins = _read(images)
    taken = {clip: _read(clip)[1] for clip in clips}
    for clip, frames in taken.items():
        for origin in origins:
            for frame in frames:
                if shares_pixels(origin, frame):
                    raise UserError(
                        f"{name}: expected images that no clip has, found {origin.name} to share pixels with "
                        f"{frame.name} of {clip}; exclude it or move its view"
                    )
    content = {
        "images": name,
        "number": len(origins),
        "clips": {clip.as_posix(): len(frames) for clip, frames in taken.items()},
        "shared": 0,
    }
    with Outputs({"record": str(out)}) as outputs:
        write_json(outputs["record"], content)


def shares_pixels(a: Origin, b: Origin) -> bool:
    """Whether two frames come from the same picture, and from sectors of it that overlap."""
    if a.sha256 != b.sha256:
        return False
    return a.yaw_degrees is None or b.yaw_degrees is None or sectors_overlap(a.yaw_degrees, b.yaw_degrees)


def _read(index: Path) -> tuple[str, list[Origin]]:
    content = json.loads(index.read_text(encoding="utf-8"))
    origins = content["origins"]
    return content["name"], [
        Origin(o["name"], o["sha256"], tuple(o["yaw_degrees"]) if o["yaw_degrees"] else None) for o in origins
    ]
