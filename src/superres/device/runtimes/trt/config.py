"""How TensorRT's builder is configured, decided by what
it has: an old one is told what a new one does by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import Settings, Sizes, input_shape

if TYPE_CHECKING:
    import tensorrt

KINDS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class BuildOptions:
    """How an engine is built.

    `workspace_mib` limits the memory of a layer's scratch space, None leaves TensorRT's own limit (all there
    is). `fp16_fallback` lets layers that an INT8 engine doesn't run in INT8 run in FP16. `optimization_level`
    is 0 to 5, None TensorRT's default. `dla_core` runs what it can on that core, the rest on the GPU.
    `timing_cache` keeps the times of kernels for the next build on this device.
    """

    workspace_mib: int | None = None
    fp16_fallback: bool = False
    optimization_level: int | None = None
    dla_core: int | None = None
    timing_cache: bool = True


def build_options(settings: Settings) -> BuildOptions:
    """The option `build`; raises UserError for a key that it doesn't have."""
    given: Mapping[str, Any] = settings.options.get("build", {})
    known = BuildOptions.__dataclass_fields__
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"options: build: expected {', '.join(known)}, found {', '.join(unknown)}")
    return BuildOptions(**given)


def find_kind(precision: str) -> str:
    """`fp32`, `fp16` or `int8`; raises UnsupportedError for any other precision."""
    kind = "int8" if precision.startswith("int8-") else precision
    if kind not in KINDS:
        raise UnsupportedError(f"TensorRT runs {', '.join(KINDS)} here, not {precision}")
    return kind


def is_strongly_typed(trt: Any) -> bool:
    """Whether every network's types are those of its ONNX file: then no flag says FP16 or INT8."""
    return not hasattr(trt.BuilderFlag, "FP16")


def network_flags(trt: Any) -> int:
    """Flags of a new network: batches are explicit, which newer versions no longer say."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def set_precision(
    trt: Any, builder: tensorrt.Builder, config: tensorrt.IBuilderConfig, precision: str, fp16_fallback: bool
) -> None:
    """Allow what the precision needs and nothing else; TF32 never, which would be neither FP32 nor said.

    Raises UnsupportedError where the device lacks it, and for a fallback that a strongly typed TensorRT
    can't be told.
    """
    kind = find_kind(precision)
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)
    if is_strongly_typed(trt):
        if fp16_fallback and kind == "int8":
            raise UnsupportedError(
                f"TensorRT {trt.__version__} takes every type from the ONNX file: it has no fallback to FP16; "
                "take fp16_fallback out of the study"
            )
        return
    for name, wanted in (
        ("fp16", kind == "fp16" or (kind == "int8" and fp16_fallback)),
        ("int8", kind == "int8"),
    ):
        if wanted:
            check_fast(builder, name)
            config.set_flag(getattr(trt.BuilderFlag, name.upper()))


def check_fast(builder: tensorrt.Builder, kind: str) -> None:
    """Raise UnsupportedError if the device says that it has no fast `fp16` or `int8`."""
    # Deprecated in 10.12, gone in 11; it is used all the same where the device has it by other means.
    if not getattr(builder, f"platform_has_fast_{kind}", True):
        raise UnsupportedError(f"this device has no fast {kind.upper()}")


def set_limits(trt: Any, config: tensorrt.IBuilderConfig, options: BuildOptions) -> None:
    """Workspace, optimisation level, and layers that can be
    looked at; raises UnsupportedError for what is missing.
    """
    if options.workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.optimization_level is not None:
        if not hasattr(config, "builder_optimization_level"):
            raise UnsupportedError(
                f"TensorRT {trt.__version__} has no optimisation level, 8.6 was the first; "
                "take optimization_level out of the study"
            )
        config.builder_optimization_level = options.optimization_level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED


def set_dla(
    trt: Any,
    builder: tensorrt.Builder,
    config: tensorrt.IBuilderConfig,
    *,
    precision: str,
    core: int,
    sizes: Sizes,
) -> None:
    """Run on a DLA core what it can, the rest on the GPU; raises UnsupportedError for what DLA doesn't do."""
    if core >= builder.num_DLA_cores:
        raise UnsupportedError(
            f"expected DLA core {core} on this device, found {builder.num_DLA_cores} cores; take dla_core out of the study"
        )
    if find_kind(precision) == "fp32":
        raise UnsupportedError("DLA computes in FP16 and INT8 only, not in fp32")
    if not sizes.fixed:
        raise UnsupportedError(
            f"DLA takes frames of one size, found {sizes.smallest} to {sizes.largest}; name clips of one size"
        )
    config.default_device_type = trt.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def add_profile(
    builder: tensorrt.Builder, config: tensorrt.IBuilderConfig, sizes: Sizes, frames: str
) -> None:
    """Say which sizes of frames the engine has to take, and which it is tuned for."""
    profile = builder.create_optimization_profile()
    # The bindings make their Dims of tuples.
    shapes: list[Any] = [input_shape(size, frames) for size in (sizes.smallest, sizes.tuned, sizes.largest)]
    profile.set_shape("frame", *shapes)
    config.add_optimization_profile(profile)
