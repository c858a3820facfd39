"""Tiles of a large frame: equal in size, overlapping, joined to the picture that the whole frame gives.

A tile's pixels near a cut see another neighbourhood than in the whole frame, as far as the network reaches
(`radius`). They are left out, so that every pixel comes from a tile that has all that it depends on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Iterator, NamedTuple, Tuple

from superres.device.base.errors import UserError
from superres.device.base.words import counted

Size = Tuple[int, int]


class Span(NamedTuple):
    """A tile in one direction: it begins at `start`, and its pixels from `first` to `last` are kept."""

    start: int
    first: int
    last: int


@dataclass(frozen=True)
class Tiling:
    """The tiles of frames of one size: `tile` is the size of each (height, width)."""

    size: Size
    tile: Size
    radius: int
    multiple: int = 1

    def __len__(self) -> int:
        return len(list(self.spans(0))) * len(list(self.spans(1)))

    def spans(self, direction: int) -> Iterator[Span]:
        """Yield the tiles along the height (0) or the width (1)."""
        whole, tile = self.size[direction], self.tile[direction]
        first = start = 0
        while True:
            last = whole if start + tile == whole else start + tile - self.radius
            yield Span(start, first, last)
            if last == whole:
                return
            # The next tile has all that its first kept pixel depends on; the last one ends with the frame.
            start = min(_down(last - self.radius, self.multiple), whole - tile)
            first = last


def cut_into_tiles(size: Size, most_pixels: int, radius: int, multiple: int = 1) -> Tiling:
    """Return the tiling of frames of a size with at most `most_pixels` pixels a tile.

    Tiles begin at multiples of `multiple`, in LR pixels. A frame that is small enough is one tile. Raises
    UserError if a tile would be all overlap.
    """
    height, width = size
    if height * width <= most_pixels:
        return Tiling(size, size, radius, multiple)
    rows, columns = 1, 1
    while True:
        tile = _side(height, rows, radius, multiple), _side(width, columns, radius, multiple)
        if tile[0] * tile[1] <= most_pixels:
            return Tiling(size, tile, radius, multiple)
        # Cut the longer side: squares have the least overlap.
        if tile[0] > tile[1]:
            rows += 1
        else:
            columns += 1
        if max(rows, columns) > max(height, width):
            raise UserError(
                f"expected room for tiles of more than {most_pixels} pixels, whose results depend on "
                f"{counted(radius, 'pixel')} to each side, found none"
            )


def cut_into_own_tiles(size: Size, tile: Size, radius: int | None, multiple: int = 1) -> Tiling:
    """Return the tiling of frames for a network that takes pictures of the size `tile` alone.

    The tiling's size is that of the frame with repeated borders: at least a tile, and so large that every
    tile begins at a multiple. Raises UserError if the joined picture would depend on where the cuts are: a
    tile isn't larger than what its pixels depend on, or they depend on all of it (`radius` None).
    """
    padded = _up(size[0], tile[0], multiple), _up(size[1], tile[1], multiple)
    least = 1 if radius is None else 2 * radius + multiple
    cut = any(whole > side for whole, side in zip(padded, tile))
    if (radius is None and tuple(size) != tuple(tile)) or (cut and min(tile) < least):
        reach = "the whole picture" if radius is None else f"{counted(radius, 'pixel')} to each side"
        raise UserError(
            f"expected frames of {tile[1]}x{tile[0]}, the only size that this network takes, found "
            f"{size[1]}x{size[0]}; tiles can't be joined exactly, as its result depends on {reach}; export "
            "it with dynamic height and width, or take frames of that size"
        )
    return Tiling(padded, tile, radius or 0, multiple)


def _up(whole: int, tile: int, multiple: int) -> int:
    """Return the least side from `whole` on that is a tile and any number of multiples."""
    return tile + max(0, math.ceil((whole - tile) / multiple)) * multiple


def _side(whole: int, count: int, radius: int, multiple: int) -> int:
    """Return the side of `count` tiles over a frame's side; it leaves the last tile at a multiple."""
    if count == 1:
        return whole
    side = math.ceil((whole + 2 * radius * (count - 1)) / count) + multiple
    side += (whole - side) % multiple
    return min(whole, max(side, 2 * radius + 2 * multiple + (whole - 2 * radius) % multiple))


def _down(value: int, multiple: int) -> int:
    return value // multiple * multiple
