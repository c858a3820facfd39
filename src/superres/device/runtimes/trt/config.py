"""Configure TensorRT's builder by its features, not its version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.base.words import counted
from superres.device.runtimes.base import Settings, Size, Sizes, input_shape, runs_int8

if TYPE_CHECKING:
    import tensorrt

KINDS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build.

    `workspace_mib` limits a layer's scratch memory; None: no limit. torch2trt's default is 32.
    `fp16_fallback` lets layers of an INT8 engine that aren't in INT8 run in FP16. `optimization_level` is 0
    to 5, None: TensorRT's default. `dla_core` is the DLA core to use, with the GPU for other layers.
    `timing_cache` keeps kernel times for the next build on this device.
    """

    workspace_mib: int | None = None
    fp16_fallback: bool = False
    optimization_level: int | None = None
    dla_core: int | None = None
    timing_cache: bool = True


def build_options(settings: Settings) -> BuildOptions:
    """Return the option `build`; raises UserError for an unknown key."""
    given: Mapping[str, Any] = settings.options.get("build", {})
    known = BuildOptions.__dataclass_fields__
    if unknown := sorted(set(given) - set(known)):
        raise UserError(f"options: build: expected {', '.join(known)}, found {', '.join(unknown)}")
    return BuildOptions(**given)


def find_kind(precision: str) -> str:
    """`fp32`, `fp16` or `int8`; raises UnsupportedError for any other precision."""
    kind = "int8" if runs_int8(precision) else precision
    if kind not in KINDS:
        raise UnsupportedError(f"TensorRT runs {', '.join(KINDS)} here, not {precision}")
    return kind


def is_strongly_typed(trt: Any) -> bool:
    """Return whether all types come from the ONNX file, without flags for FP16 and INT8."""
    return not hasattr(trt.BuilderFlag, "FP16")


def network_flags(trt: Any) -> int:
    """Return the flags of a new network; only older versions have one for explicit batches."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "EXPLICIT_BATCH", None)
    return 0 if flag is None else 1 << int(flag)


def set_precision(
    trt: Any, builder: tensorrt.Builder, config: tensorrt.IBuilderConfig, precision: str, fp16_fallback: bool
) -> None:
    """Allow the types of the precision and nothing else, never TF32.

    Raises UnsupportedError if the device lacks it, and for a fallback with a strongly typed TensorRT.
    """
    kind = find_kind(precision)
    if hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)
    if is_strongly_typed(trt):
        if fp16_fallback and kind == "int8":
            raise UnsupportedError(
                f"TensorRT {trt.__version__} takes every type from the ONNX file: "
                "it has no fallback to FP16; take fp16_fallback out of the study"
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
    # Deprecated in 10.12, gone in 11, which leaves nothing to check.
    if not getattr(builder, f"platform_has_fast_{kind}", True):
        raise UnsupportedError(f"this device has no fast {kind.upper()}")


def set_limits(trt: Any, config: tensorrt.IBuilderConfig, options: BuildOptions) -> None:
    """Set workspace, optimisation level and layer details; raises UnsupportedError for a missing one."""
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
    if takes_memory(trt):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)


def takes_memory(trt: Any) -> bool:
    """Return whether engines take their memory from the caller, as TensorRT-RTX needs for CUDA graphs."""
    return hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION")


def set_dla(
    trt: Any,
    builder: tensorrt.Builder,
    config: tensorrt.IBuilderConfig,
    *,
    precision: str,
    core: int,
    sizes: Sizes,
) -> None:
    """Use a DLA core, with the GPU for other layers; raises UnsupportedError if DLA can't run it."""
    if core >= builder.num_DLA_cores:
        raise UnsupportedError(
            f"expected DLA core {core} on this device, found "
            f"{counted(builder.num_DLA_cores, 'core')}; "
            "take dla_core out of the study"
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


def fix_size(network: tensorrt.INetworkDefinition, size: Size, frames: str) -> None:
    """Give the network fixed shapes, for an engine of one frame size.

    TensorRT then tells the types of its layers, and no arithmetic on shapes is left in the engine.
    """
    # The bindings take tuples as Dims.
    shape: Any = input_shape(size, frames)
    network.get_input(0).shape = shape


def add_profile(
    builder: tensorrt.Builder, config: tensorrt.IBuilderConfig, sizes: Sizes, frames: str
) -> None:
    """Set the frame sizes that an engine of several takes, and the one it is tuned for."""
    profile = builder.create_optimization_profile()
    shapes: list[Any] = [input_shape(size, frames) for size in (sizes.smallest, sizes.tuned, sizes.largest)]
    profile.set_shape("frame", *shapes)
    config.add_optimization_profile(profile)
