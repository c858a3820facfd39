"""Arithmetic on frame ranges: which frames of a source are taken, and which of them two ranges share."""

import math

from superres.data.sources.sources import FrameRange
from superres.device.base.errors import UserError


def frame_indices(frames: FrameRange, available: int) -> range:
    """The indices that a frame range takes from a source of `available` frames, cut off at its end."""
    stop = available if frames.count is None else frames.first + frames.count * frames.stride
    return range(frames.first, min(stop, available), frames.stride)


def last_index(frames: FrameRange) -> int:
    """The highest index that a frame range needs; its first one when it is open."""
    return frames.first + ((frames.count or 1) - 1) * frames.stride


def check_range(frames: FrameRange, where: str) -> None:
    """Raise UserError if a frame range, of the source named `where`, is no range at all."""
    if frames.first < 0 or frames.stride < 1 or (frames.count is not None and frames.count < 1):
        raise UserError(
            f"{where}: expected frames with first >= 0, count >= 1 and stride >= 1, found {_words(frames)}"
        )


def select_frames(frames: FrameRange, available: int, where: str) -> range:
    """The indices that a frame range takes from the source named `where`, which has `available` frames.

    Raises UserError if the range is none or reaches outside the source.
    """
    check_range(frames, where)
    if last_index(frames) >= available:
        raise UserError(
            f"{where}: expected a frame at index {last_index(frames)} (for {_words(frames)}), found "
            f"{available} frames; lower first, count or stride"
        )
    return frame_indices(frames, available)


def _words(frames: FrameRange) -> str:
    count = "all" if frames.count is None else frames.count
    return f"first {frames.first}, count {count}, stride {frames.stride}"


def first_common_index(a: FrameRange, b: FrameRange) -> int | None:
    """Lowest frame index that lies in two frame ranges, None when there is none; an open range has no end."""
    # Two strides meet at most one least common multiple after both have begun.
    begin = max(a.first, b.first)
    for index in range(begin, begin + math.lcm(a.stride, b.stride)):
        if all((index - r.first) % r.stride == 0 for r in (a, b)):
            inside = all(r.count is None or index <= last_index(r) for r in (a, b))
            return index if inside else None
    return None
