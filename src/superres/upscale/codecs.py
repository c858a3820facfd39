"""What a video may be encoded with, by its file's name. Light: the workflow imports it without FFmpeg."""

from pathlib import Path
from typing import Literal

from superres.device.base.errors import UserError

Codec = Literal["auto", "ffv1", "h264", "y4m"]

# What a file is written as if the study leaves it open, by its name's ending.
CODECS: dict[str, Codec] = {".mkv": "ffv1", ".avi": "ffv1", ".mp4": "h264", ".mov": "h264", ".y4m": "y4m"}
CONTAINERS = {".mkv": "matroska", ".avi": "avi", ".mp4": "mp4", ".mov": "mov", ".y4m": "yuv4mpegpipe"}
_KINDS: dict[Codec, tuple[str, ...]] = {
    "ffv1": (".mkv", ".avi"),
    "h264": (".mkv", ".mp4", ".mov"),
    "y4m": (".y4m",),
}


def chosen_codec(path: Path, codec: Codec) -> Codec:
    """The codec of a file by its name, checked against what the study says.

    Raises UserError for an ending that isn't known and for a codec that doesn't go into it.
    """
    kind = path.suffix.lower()
    if kind not in CODECS:
        raise UserError(
            f"{path}: expected a name that ends in {', '.join(CODECS)}, found {kind or 'no ending'}"
        )
    chosen = CODECS[kind] if codec == "auto" else codec
    if kind not in _KINDS[chosen]:
        raise UserError(
            f"{path}: expected a name that ends in {' or '.join(_KINDS[chosen])} for {chosen}, found {kind}"
        )
    return chosen
