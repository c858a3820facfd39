"""An engine on frames that it can't take at once: tile after tile, joined to the whole picture.

They are too large for its memory, or its network takes one size alone.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from superres.device.frames.tiles import Span, Tiling, cut_into_own_tiles, cut_into_tiles
from superres.device.machine.memory import check_memory
from superres.device.runtimes.base import LayerTime, Session, Size

if TYPE_CHECKING:
    import numpy as np

TILE_BYTES = 4 << 30
"""Memory of a tile at most, by its footprint. It is fixed, so that every machine cuts the same tiles."""

_REMEDY = "close other programs, run fewer jobs at a time (--cores), or take smaller frames"


def tiling_of(size: Size, footprint: Mapping[str, Any]) -> Tiling:
    """Return how frames of a size are cut for a graph of a footprint: its bytes a pixel, radius, multiple.

    A network whose result depends on the whole frame has one tile. One with an `own_size` has tiles of that
    size alone, and frames get repeated borders up to them. Raises UserError if those can't be exact.
    """
    radius, pixels = footprint["radius"], size[0] * size[1]
    if own := footprint.get("own_size"):
        return cut_into_own_tiles(size, (own[0], own[1]), radius, footprint["multiple"])
    if radius is None:
        return Tiling(size, size, 0)
    most = max(1, TILE_BYTES // footprint["bytes_per_pixel"])
    return cut_into_tiles(size, min(most, pixels), radius, footprint["multiple"])


def is_cut(size: Size, footprint: Mapping[str, Any]) -> bool:
    """Return whether frames of a size run in tiles, or as a part of one."""
    return tiling_of(size, footprint).tile != tuple(size)


def tile_sizes(sizes: Mapping[str, Sequence[int]], footprint: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return sizes of an engine's frames, each as the tile that it is cut into."""
    return {name: list(tiling_of((side[0], side[1]), footprint).tile) for name, side in sizes.items()}


def check_room(sizes: Sequence[Size], footprint: Mapping[str, Any], label: str) -> None:
    """Raise UserError if the largest of some frames, or its tile, needs more memory than there is."""
    height, width = max(sizes, key=lambda size: size[0] * size[1])
    tile = tiling_of((height, width), footprint).tile
    whole = ", whose network can't run in tiles," if footprint["radius"] is None else ""
    check_memory(
        tile[0] * tile[1] * footprint["bytes_per_pixel"],
        f"{label}{whole} on frames of {width}x{height}",
        _REMEDY,
    )


class TiledSession(Session):
    """A session that cuts frames into tiles where their size asks for it; small ones run whole.

    Tiles take no part in queues and streams of the session that they run in.
    """

    def __init__(self, session: Session, footprint: Mapping[str, Any]):
        self._session = session
        self._footprint = footprint
        self._size: Size = (0, 0)
        self._tiling = Tiling((0, 0), (0, 0), 0)
        self._frame: np.ndarray | None = None
        self.reference = session.reference

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        import numpy as np

        size = (frame.shape[0], frame.shape[1])
        if size != self._size:
            self._size, self._tiling = size, tiling_of(size, self._footprint)
        down, across = (whole - side for whole, side in zip(self._tiling.size, size))
        return np.pad(frame, ((0, down), (0, across), (0, 0)), mode="edge") if down or across else frame

    def execute(self, inputs: np.ndarray) -> np.ndarray | None:
        if len(self._tiling) == 1:
            return self._session.run(inputs)
        for rows, columns in product(self._tiling.spans(0), self._tiling.spans(1)):
            self._add_tile(inputs, rows, columns)
        return self._frame

    def _add_tile(self, inputs: np.ndarray, rows: Span, columns: Span) -> None:
        """Run a tile of a frame, and write what is kept of it to the joined frame."""
        import numpy as np

        height, width = self._tiling.tile
        tile = inputs[rows.start : rows.start + height, columns.start : columns.start + width]
        result = self._session.run(np.ascontiguousarray(tile))
        scale = result.shape[0] // height
        shape = (scale * inputs.shape[0], scale * inputs.shape[1], 3)
        if self._frame is None or self._frame.shape != shape:
            self._frame = np.empty(shape, np.uint8)
        kept = tuple(slice(scale * span.first, scale * span.last) for span in (rows, columns))
        inside = tuple(
            slice(scale * (span.first - span.start), scale * (span.last - span.start))
            for span in (rows, columns)
        )
        self._frame[kept] = result[inside]

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        import numpy as np

        scale = outputs.shape[0] // self._tiling.size[0]
        return np.ascontiguousarray(outputs[: scale * self._size[0], : scale * self._size[1]])

    def profile(self, frame: np.ndarray, runs: int) -> list[LayerTime]:
        frame = self.preprocess(frame)
        height, width = self._tiling.tile
        return self._session.profile(frame[:height, :width].copy(), runs)

    def device_memory_bytes(self) -> int | None:
        return self._session.device_memory_bytes()

    def facts(self) -> dict[str, Any]:
        """Return the tiles of the last frame beside the session's own facts."""
        return {**self._session.facts(), "tiles": len(self._tiling), "tile": list(self._tiling.tile)}
