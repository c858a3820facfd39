"""Codecs of a video by its file name. Light: the workflow imports this without FFmpeg."""

from pathlib import Path
from typing import Literal

from superres.device.base.errors import UserError

Codec = Literal["auto", "ffv1", "h264", "y4m"]

# Default codec by the file name's ending.
CODECS: dict[str, Codec] = {".mkv": "ffv1", ".avi": "ffv1", ".mp4": "h264", ".mov": "h264", ".y4m": "y4m"}
CONTAINERS = {".mkv": "matroska", ".avi": "avi", ".mp4": "mp4", ".mov": "mov", ".y4m": "yuv4mpegpipe"}
_KINDS: dict[Codec, tuple[str, ...]] = {
    "ffv1": (".mkv", ".avi"),
    "h264": (".mkv", ".mp4", ".mov"),
    "y4m": (".y4m",),
}


def chosen_codec(path: Path, codec: Codec) -> Codec:
    """Return the codec of a file: the default of its name's ending if `codec` is `auto`.

    Raises UserError for an unknown ending and for a codec that its container can't hold.
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
