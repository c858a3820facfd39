"""Frame ranges against plain sets of integers."""

import itertools

import pytest
from pydantic import ValidationError

from superres.data.sources.source import FrameRange, first_common_index, frame_indices, select_frames
from superres.device.base.errors import UserError


def test_indices():
    assert list(frame_indices(FrameRange(), 3)) == [0, 1, 2]
    assert list(frame_indices(FrameRange(first=2, stride=3), 10)) == [2, 5, 8]
    assert list(frame_indices(FrameRange(first=1, count=3, stride=2), 6)) == [1, 3, 5]
    assert list(frame_indices(FrameRange(first=1, count=3, stride=2), 5)) == [1, 3]


def test_a_range_outside_its_source_names_both():
    assert list(select_frames(FrameRange(first=4, count=2, stride=5), 10, "clip.y4m")) == [4, 9]
    with pytest.raises(
        UserError, match=r"clip\.y4m: .*index 9 \(for first 4, count 2, stride 5\), found 9 frames"
    ):
        select_frames(FrameRange(first=4, count=2, stride=5), 9, "clip.y4m")
    with pytest.raises(UserError, match=r"first 3, count all, stride 1.*found 3 frames"):
        select_frames(FrameRange(first=3), 3, "clip.y4m")


@pytest.mark.parametrize("key", ["first", "count", "stride"])
def test_invalid_ranges(key):
    with pytest.raises(ValidationError, match=rf"{key}\n.*greater than or equal"):
        FrameRange(**{key: -1})


def test_common_index_against_sets():
    ranges = [
        FrameRange(first=first, count=count, stride=stride)
        for first, count, stride in itertools.product((0, 1, 5), (None, 1, 3), (1, 2, 3))
    ]
    for a, b in itertools.product(ranges, ranges):
        shared = set(frame_indices(a, 60)) & set(frame_indices(b, 60))
        assert first_common_index(a, b) == min(shared, default=None)
