"""What a TensorRT engine is built with, from the options of a job."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from superres.device.base.errors import UserError
from superres.device.runtimes.base import Settings

IMPLICIT = "int8-trt-"
"""How precisions begin whose ranges TensorRT finds itself."""


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
