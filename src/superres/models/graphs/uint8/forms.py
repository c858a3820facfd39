"""The forms of a graph on uint8 frames among which a runtime has the fastest, by name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from superres.models.graphs.uint8.blocks import fold_blocks
from superres.models.graphs.uint8.channels_last import fold_channels_last
from superres.models.graphs.uint8.levels import fold_levels
from superres.models.graphs.uint8.pixels import fold_frames

FORMS: Mapping[str, Callable[[Path, Path], None]] = {
    "pixels": fold_frames,
    "blocks": partial(fold_blocks, aligned=False),
    "channels_last": fold_channels_last,
    "levels": fold_levels,
}
"""What writes a graph on float32 planes, in FP32 or as a Q/DQ graph, in a form; see there."""
