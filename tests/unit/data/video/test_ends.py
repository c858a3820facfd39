"""Files that were cut off: refused by what their container names, doubted, or whole by nature."""

from itertools import pairwise
from pathlib import Path

import pytest

from superres.data.sources.registry import check_source
from videos import picture, write_video

from .test_files import frames, notes, refused, source

CUT: dict[str, tuple[str, str, dict[str, str]]] = {
    # Name: codec, pixels, options of the container.
    "a.mkv": ("libx264", "yuv420p", {}),
    "a.webm": ("libvpx", "yuv420p", {}),
    "live.webm": ("libvpx", "yuv420p", {"live": "1"}),
    "a.mp4": ("libx264", "yuv420p", {}),
    "first.mp4": ("libx264", "yuv420p", {"movflags": "faststart"}),
    "parts.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov"}),
    "a.mov": ("mjpeg", "yuvj420p", {}),
    "a.avi": ("mpeg4", "yuv420p", {}),
    "a.ts": ("libx264", "yuv420p", {}),
    "a.m2ts": ("libx264", "yuv420p", {}),
    "a.gif": ("gif", "rgb8", {}),
    "a.mxf": ("mpeg2video", "yuv420p", {}),
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_was_cut_off_is_refused_before_work(tmp_path: Path, name: str) -> None:
    codec, pixels, container = CUT[name]
    shown = [picture(i, 144, 176) for i in range(20)]
    path = write_video(tmp_path / name, codec, pixels, frames=shown, container=container)
    check_source(source(path))
    assert "cut off" not in notes(path)
    whole = path.read_bytes()
    packet = {".ts": 188, ".m2ts": 192}.get(path.suffix, 101)
    for part in (0.3, 0.5, 0.8, 0.95):
        # Within a packet of a transport stream.
        path.write_bytes(whole[: int(part * len(whole)) // packet * packet + 100])
        assert "it was cut off; fetch it again" in refused(path, count=1)
    # What systems and cameras write behind the end doesn't matter.
    path.write_bytes(whole + b"\0" * 100)
    assert len(frames(path)) == 20


def test_a_recording_without_sizes_is_whole(tmp_path: Path) -> None:
    """As browsers write: each part may be the last. Only a part of a part is missing something."""
    path = write_video(tmp_path / "a.webm", "libvpx", frames=20, container={"live": "1"})
    content = path.read_bytes()
    # FFmpeg names the size of a cluster, browsers don't; neither names that of the segment, nor a duration.
    cluster = content.index(b"\x1f\x43\xb6\x75") + 4
    whole = content[:cluster] + b"\x7f\xff" + content[cluster + 2 :]
    assert b"\x18\x53\x80\x67\x01" + b"\xff" * 7 in whole[:60] and b"\x44\x89" not in whole[:cluster]
    path.write_bytes(whole)
    assert len(frames(path)) == 20
    # A block of two bytes of length.
    last = max(
        n
        for n in range(len(whole))
        if whole[n : n + 1] == b"\xa3" and n + 2 + (whole[n + 1] & 0x7F) == len(whole)
    )
    path.write_bytes(whole[:last])
    assert len(frames(path)) == 19
    path.write_bytes(whole[:-1])
    assert f"expected at least {len(whole)} bytes" in refused(path)


def test_a_transport_stream_that_ends_with_a_full_packet_is_doubted(tmp_path: Path) -> None:
    shown = [picture(i, 144, 176) for i in range(20)]
    path = write_video(tmp_path / "a.ts", "libx264", frames=shown)
    whole = path.read_bytes()
    begins = [n for n in range(len(whole) // 188) if whole[188 * n + 1] & 0x40]
    within = next(a + 2 for a, b in pairwise(begins) if a > 60 and b - a > 3)
    path.write_bytes(whole[: 188 * within])
    assert "its last packet is full, so the stream may have been cut off" in notes(path)
    # Between two frames nothing tells.
    path.write_bytes(whole[: 188 * next(n for n in begins if n > within)])
    assert notes(path) == ""


def test_a_y4m_file_that_was_cut_off(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.y4m", "rawvideo")
    path.write_bytes(path.read_bytes()[:-100])
    assert "found 7 and a part of the next, which lacks 100 bytes" in refused(path)
