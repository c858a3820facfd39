"""Tiles cover a frame once, and each kept pixel has all that it depends on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from superres.device.base.errors import UserError
from superres.device.frames.tiles import cut_into_tiles


@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    radius=st.integers(0, 12),
    multiple=st.sampled_from([1, 2, 4]),
    share=st.floats(0.05, 1.0),
)
def test_every_pixel_is_kept_once_and_has_its_neighbourhood(height, width, radius, multiple, share):
    reach = -(-radius // multiple) * multiple
    try:
        tiling = cut_into_tiles((height, width), max(1, int(share * height * width)), reach, multiple)
    except UserError:
        # Only where the overlap leaves no room.
        assert share * height * width < (4 * reach + 4 * multiple) ** 2 * 4
        return
    assert tiling.tile[0] * tiling.tile[1] <= max(1, int(share * height * width)) or len(tiling) == 1
    for direction, whole in enumerate((height, width)):
        side, kept = tiling.tile[direction], 0
        for span in tiling.spans(direction):
            assert span.start % multiple == 0
            assert span.start >= 0 and span.start + side <= whole
            assert span.first == kept < span.last
            kept = span.last
            # Inside the tile by the reach, or at the frame's own edge.
            assert span.first - span.start >= reach or span.first == span.start == 0
            assert span.start + side - span.last >= reach or span.last == whole
        assert kept == whole


def test_a_frame_that_is_small_enough_is_one_tile():
    assert len(cut_into_tiles((540, 960), 540 * 960, 8)) == 1
    assert len(cut_into_tiles((540, 960), 540 * 960 - 1, 8)) == 2


def test_tiles_of_only_overlap_are_refused():
    with pytest.raises(UserError, match="100 pixels to each side"):
        cut_into_tiles((1000, 1000), 1000, 100)
