"""Sizes of frames that an engine is built for and takes."""

from dataclasses import dataclass
from typing import Any, Mapping, Tuple

from superres.device.base.errors import UserError
from superres.device.runtimes.base import Settings

Size = Tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """Frame sizes (height, width) that an engine takes: the smallest, the one it is tuned for, the largest."""

    smallest: Size
    tuned: Size
    largest: Size

    @property
    def fixed(self) -> bool:
        """Whether all frames have one size."""
        return self.smallest == self.largest


def frame_sizes(settings: Settings) -> Sizes:
    """The option `sizes`: [height, width] as smallest, tuned and largest; raises UserError without it."""
    given = settings.options.get("sizes")
    keys = ("smallest", "tuned", "largest")
    if not isinstance(given, dict) or set(given) != set(keys):
        raise UserError(f"options: expected sizes with {', '.join(keys)}, found {given!r}")
    return Sizes(**{key: (int(given[key][0]), int(given[key][1])) for key in keys})


def input_shape(size: Size, frames: str) -> Tuple[int, int, int, int]:
    """Shape of what an engine takes: pixels of uint8 frames, planes of float32."""
    return (1, *size, 3) if frames == "uint8" else (1, 3, *size)


def takes(facts: Mapping[str, Any], size: Size) -> bool:
    """Whether an engine takes frames of a size, by the facts in its record."""
    sizes = facts.get("sizes")
    if sizes is None:
        return True
    bounds = zip(sizes["smallest"], size, sizes["largest"])
    return all(least <= side <= most for least, side, most in bounds)
