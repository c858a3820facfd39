"""Videos that the tests write with OpenCV's own Motion JPEG encoder."""

import cv2
import numpy as np
import pytest

from superres.data.sources.video import VideoFrames, count_frames
from superres.device.base.errors import UserError

LEVELS = (10, 60, 110, 160, 210)


@pytest.fixture
def video(tmp_path):
    path = str(tmp_path / "a.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for level in LEVELS:
        writer.write(np.full((48, 64, 3), (0, level // 2, level), np.uint8))
    writer.release()
    return path


def test_frames_are_counted_by_decoding(video):
    assert count_frames(video) == 5
    assert count_frames(video, 3) == 3
    assert count_frames(video, 9) == 5


def test_frames_by_index_in_any_order(video):
    frames = VideoFrames(video)
    for index in (0, 1, 4, 2, 2, 3):
        frame = frames.read(index)
        assert frame.shape == (48, 64, 3)
        # RGB: OpenCV's order, in which it was written, has red last.
        assert frame.reshape(-1, 3).mean(0) == pytest.approx([LEVELS[index], LEVELS[index] // 2, 0], abs=4)


def test_mistakes_are_named(video, tmp_path):
    with pytest.raises(UserError, match=r"a\.avi: expected to decode frame 5, found only 5 frames"):
        VideoFrames(video).read(5)
    with pytest.raises(UserError, match=r"video: expected a file at .*gone\.avi, found nothing"):
        count_frames(str(tmp_path / "gone.avi"))
    (tmp_path / "text.avi").write_text("no video")
    with pytest.raises(UserError, match=r"text\.avi: expected a video that OpenCV opens"):
        count_frames(str(tmp_path / "text.avi"))
