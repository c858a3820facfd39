"""What a TensorRT engine is built with, from the options of a job."""

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from superres.device.errors import UserError
from superres.device.runtimes.base import Settings

Size = Tuple[int, int]
IMPLICIT = "int8-trt-"
"""How precisions begin whose ranges TensorRT finds itself."""


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


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is built.

    `workspace_mib` limits the memory of a layer's scratch space, None leaves TensorRT's own limit (all there
    is). `fp16_fallback` lets layers that an INT8 engine doesn't run in INT8 run in FP16. `optimization_level`
    is 0 to 5, None TensorRT's default. `dla_core` runs what it can on that core, the rest on the GPU.
    `timing_cache` keeps the times of kernels for the next build on this device.
    """

    workspace_mib: Optional[int] = None
    fp16_fallback: bool = False
    optimization_level: Optional[int] = None
    dla_core: Optional[int] = None
    timing_cache: bool = True


def build_options(settings: Settings) -> BuildOptions:
    """The option `build`; raises UserError for a key that it doesn't have."""
    given: Mapping[str, Any] = settings.options.get("build", {})
    known = BuildOptions.__dataclass_fields__
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"options: build: expected {', '.join(known)}, found {', '.join(unknown)}")
    return BuildOptions(**given)


def frame_sizes(settings: Settings) -> Sizes:
    """The option `sizes`: [height, width] as smallest, tuned and largest; raises UserError without it."""
    given = settings.options.get("sizes")
    keys = ("smallest", "tuned", "largest")
    if not isinstance(given, dict) or set(given) != set(keys):
        raise UserError(f"options: expected sizes with {', '.join(keys)}, found {given!r}")
    values: Dict[str, Size] = {key: (int(given[key][0]), int(given[key][1])) for key in keys}
    return Sizes(**values)
