"""Frame ranges against plain sets of integers."""

import itertools

import pytest

from superres.data.sources.frame_ranges import check_range, first_common_index, frame_indices, select_frames
from superres.data.sources.sources import FrameRange
from superres.device.base.errors import UserError


def test_indices():
    assert list(frame_indices(FrameRange(), 3)) == [0, 1, 2]
    assert list(frame_indices(FrameRange(2, None, 3), 10)) == [2, 5, 8]
    assert list(frame_indices(FrameRange(1, 3, 2), 6)) == [1, 3, 5]
    assert list(frame_indices(FrameRange(1, 3, 2), 5)) == [1, 3]


def test_a_range_outside_its_source_names_both():
    assert list(select_frames(FrameRange(4, 2, 5), 10, "clip.y4m")) == [4, 9]
    with pytest.raises(
        UserError, match=r"clip\.y4m: .*index 9 \(for first 4, count 2, stride 5\), found 9 frames"
    ):
        select_frames(FrameRange(4, 2, 5), 9, "clip.y4m")
    with pytest.raises(UserError, match=r"first 3, count all, stride 1.*found 3 frames"):
        select_frames(FrameRange(3), 3, "clip.y4m")


@pytest.mark.parametrize("frames", [FrameRange(-1), FrameRange(0, 0), FrameRange(0, 1, 0)])
def test_what_is_no_range(frames):
    with pytest.raises(UserError, match=r"first >= 0, count >= 1 and stride >= 1"):
        check_range(frames, "clip.y4m")


def test_common_index_against_sets():
    ranges = [FrameRange(*r) for r in itertools.product((0, 1, 5), (None, 1, 3), (1, 2, 3))]
    for a, b in itertools.product(ranges, ranges):
        shared = set(frame_indices(a, 60)) & set(frame_indices(b, 60))
        assert first_common_index(a, b) == min(shared, default=None)
