"""Videos with bytes changed at random: either all frames are read, or one line says why not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from spoilt import frames_or_line, fuzz, spoilt
from superres.data.sources.source import Source
from superres.data.sources.video import Video
from videos import picture, write_video

FRAMES = [picture(i, 32, 32) for i in range(4)]
# Suffix, codec and pixels of a small video of each container.
KINDS = (
    (".mp4", "libx264", "yuv420p"),
    (".mkv", "libx264", "yuv420p"),
    (".mov", "mpeg4", "yuv420p"),
    (".avi", "mpeg4", "yuv420p"),
    (".avi", "mjpeg", "yuvj420p"),
    (".webm", "libvpx-vp9", "yuv420p"),
    (".mkv", "ffv1", "yuv444p"),
    (".m2v", "mpeg2video", "yuv420p"),
    (".h264", "libx264", "yuv420p"),
    (".png", "apng", "rgb24"),
    (".y4m", "wrapped_avframe", "yuv420p"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def seeds(folder: Path) -> list[bytes]:
    return [
        write_video(folder / f"a{suffix}", codec, pixels, frames=FRAMES).read_bytes()
        for suffix, codec, pixels in KINDS
    ]


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames of a video; none if a line says what is wrong."""
    return frames_or_line(Source(Video(path=str(path))), str(path))


def test_frames_of_a_video_or_one_line(folder: Path):
    whole = seeds(folder)

    @fuzz(300)
    @given(spoilt(whole))
    def read(changed: tuple[int, bytes]) -> None:
        path = folder / f"b{KINDS[changed[0]][0]}"
        path.write_bytes(changed[1])
        frames_of(path)

    read()


@pytest.mark.parametrize("index", range(len(KINDS)), ids=lambda index: "".join(KINDS[index][:2]))
def test_a_video_that_was_cut_off_is_refused_or_its_frames_are_right(folder: Path, index: int):
    suffix, codec, pixels = KINDS[index]
    whole = write_video(folder / f"c{suffix}", codec, pixels, frames=FRAMES)
    expected = frames_of(whole)
    assert len(expected) == len(FRAMES)
    content = whole.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 12)):
        whole.write_bytes(content[:length])
        for frame, right in zip(frames_of(whole), expected, strict=False):
            assert np.array_equal(frame, right), length
