"""Count the frames of a video, without decoding them where that is sure."""

from itertools import islice
from pathlib import Path

from av.error import FFmpegError

from superres.data.video.facts import Y4M, opened, video_facts
from superres.data.video.reader import VideoReader, check_end
from superres.data.video.y4m import count_frames as count_y4m_frames
from superres.device.base.errors import UserError

_QUICKTIME = "mov,mp4"
# Codecs and containers in which each packet of a stream is a frame that is shown.
_SURE_CODECS = (
    "h264",
    "hevc",
    "av1",
    "vp9",
    "prores",
    "dnxhd",
    "mjpeg",
    "ffv1",
    "utvideo",
    "rawvideo",
    "png",
)
_SURE_CONTAINERS = (_QUICKTIME, "matroska", Y4M)


def frames_at_most(path: Path | str, enough: int | None = None, *, deinterlace: bool = False) -> int:
    """Return how many frames a video has at most, from its header or packets; up to `enough` are counted."""
    facts = video_facts(path, deinterlace=deinterlace)
    with opened(str(path)) as (container, stream):
        if facts.container.startswith(_QUICKTIME) and stream.frames:
            # Frames that an edit list leaves out, as phones trim, are in the file and are never shown.
            return sum(not entry.is_discard for entry in stream.index_entries)
        packets = container.demux(stream)
        if facts.container == Y4M:
            return count_y4m_frames(Path(path), next(packet.size for packet in packets))
        try:
            count, last = 0, 0
            for packet in islice((p for p in packets if p.size and not p.is_discard), enough):
                count, last = count + 1, max(last, packet.pts or 0)
            if enough is None:
                check_end(facts, stream, last * stream.time_base, count)
            return count
        except FFmpegError as error:
            raise UserError(
                f"{path}: expected a sound file, found damage between its frames: {error.strerror}; fetch "
                f"it again"
            ) from error


def count_frames(path: Path | str, *, deinterlace: bool = False) -> int:
    """Return how many frames a video has; decodes them if packets may be more than that.

    Raises UserError as `VideoReader` does.
    """
    facts = video_facts(path, deinterlace=deinterlace)
    if facts.codec in _SURE_CODECS and facts.container.startswith(_SURE_CONTAINERS):
        return frames_at_most(path, deinterlace=deinterlace)
    with VideoReader(path, deinterlace=deinterlace) as reader:
        return sum(1 for _ in reader)
