"""What a study wants to find out of a publication's unstated settings."""

from collections.abc import Mapping
from typing import Any

from superres.data.sources.y4m import Y4m
from superres.device.base.errors import UserError
from superres.study.model import Clip, Forensics


def parse_forensics(full: Mapping[str, Any], clips: Mapping[str, Clip]) -> Forensics | None:
    """The `forensics` of a completed configuration, None if it has none.

    Raises UserError unless its clip is one of the study's and read from a y4m file.
    """
    entry = full.get("forensics")
    if entry is None:
        return None
    usable = [name for name, clip in clips.items() if isinstance(clip.source.kind, Y4m)]
    if entry["clip"] not in usable:
        raise UserError(
            f"forensics.clip: expected a clip of the type y4m from `clips` ({', '.join(usable) or 'none'}), found "
            f"{entry['clip']!r}; add it there"
        )
    lists = {key: tuple(entry[key]) for key in ("downsampling", "upsampling", "matrices", "ranges")}
    return Forensics(entry["clip"], entry["psnr_db"], entry["psnr_y_db"], **lists)
