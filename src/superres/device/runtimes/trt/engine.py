"""Build an engine from an ONNX file."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.base.outputs import write_whole
from superres.device.machine.facts import cache_folder
from superres.device.machine.memory import available_memory
from superres.device.runtimes.base import Settings, frame_sizes
from superres.device.runtimes.trt import config as configuration
from superres.device.runtimes.trt.calibrator import (
    CALIBRATORS,
    Batches,
    CalibrationCache,
    cache_key,
    check_implicit,
    is_implicit,
    make_calibrator,
    set_calibrator,
)
from superres.device.runtimes.trt.config import build_options
from superres.device.runtimes.trt.cuda import Cuda, Device
from superres.device.runtimes.trt.layers import LOG_START, Layer, count_convolutions, read_build_log
from superres.device.runtimes.trt.library import make_log

if TYPE_CHECKING:
    import tensorrt

# Two ways to say that a kernel wasn't tried because the device's free memory was too small for it.
_NO_MEMORY = (
    re.compile(r"memory is insufficient to use tactic"),
    re.compile(r"insufficient memory on requested size"),
)
# Operators that no importer knows are looked for among plugins.
_NO_IMPORTER = re.compile(r"No importer registered for op: (\w+)|[Pp]lugin not found|PluginCreator")


@dataclass(frozen=True)
class Built:
    """A serialised engine, its layers from the builder's log (if any), and facts of the build."""

    plan: bytes
    layers: list[Layer]
    facts: dict[str, Any]


def build_engine(trt: Any, name: str, model: Path, settings: Settings, device: Device | None) -> Built:
    """Build the engine of an ONNX file with the module `trt`, called `name`, for a device (None: any).

    Raises UserError with TensorRT's message and node for a file that it refuses, and for limits that are too
    tight; UnsupportedError for a missing feature of this TensorRT or device.
    """
    configuration.find_kind(settings.precision)
    options, sizes = build_options(settings), frame_sizes(settings)
    memory = {"available_bytes": available_memory(), "device_free_bytes": _free_memory(device)}
    log = make_log(trt)
    builder = make_builder(trt, log)
    network = builder.create_network(configuration.network_flags(trt))
    _parse(trt, network, log, model, settings)
    config = builder.create_builder_config()
    configuration.set_precision(trt, builder, config, settings.precision, options.fp16_fallback)
    configuration.set_limits(trt, config, options)
    if options.dla_core is not None:
        core = options.dla_core
        configuration.set_dla(trt, builder, config, precision=settings.precision, core=core, sizes=sizes)
    calibration = _Calibration.prepare(trt, name, model, settings)
    images = sizes.tuned if calibration is None else calibration.batches.size
    fixed = sizes.fixed and images == sizes.tuned
    if fixed:
        configuration.fix_size(network, sizes.tuned, settings.frames)
    else:
        configuration.add_profile(builder, config, sizes, settings.frames)
    if calibration is not None:
        size = None if fixed else images
        set_calibrator(builder, config, calibration.calibrator, size, settings.frames)
    timing = _TimingCache(trt, config, name, device) if options.timing_cache and device else None
    plan = _serialize(builder, network, config, log=log, model=model, calibration=calibration)
    if timing is not None:
        timing.keep()
    # With a device, the inspector describes them better.
    layers = [] if device else _logged_layers(log.messages)
    facts = {
        "module": name,
        "version": str(trt.__version__),
        "device": device._asdict() if device else None,
        "strongly_typed": configuration.is_strongly_typed(trt),
        "flags": _flag_names(trt, config),
        "build": asdict(options),
        "sizes": asdict(sizes),
        "fixed_shapes": fixed,
        "memory": {**memory, "skipped_kernels": count_skipped(log.warnings)},
        "convolutions": count_convolutions(layers),
        **(calibration.facts() if calibration else {}),
    }
    return Built(plan, layers, facts)


def count_skipped(warnings: Sequence[str]) -> int:
    """Return how many kernels TensorRT didn't try for lack of the device's memory, by its warnings.

    Some versions say it twice for the same kernel, in other words.
    """
    return max(sum(bool(said.search(text)) for text in warnings) for said in _NO_MEMORY)


def _free_memory(device: Device | None) -> int | None:
    return Cuda().free_memory() if device else None


def check_int8(convolutions: dict[str, int], precision: str) -> None:
    """Raise UnsupportedError if all convolutions of an INT8 engine are known to be float."""
    if not precision.startswith("int8-") or not convolutions:
        return
    if set(convolutions) <= {"Float", "Half", "BFloat16"}:
        raise UnsupportedError(
            f"TensorRT runs these convolutions in {convolutions} on this device, none in Int8"
        )


def make_builder(trt: Any, log: Any) -> tensorrt.Builder:
    """Return TensorRT's builder; raises UnsupportedError if it makes none."""
    try:
        return trt.Builder(log)
    except TypeError as error:
        # The bindings raise this if the library returns none.
        reason = log.errors[-1] if log.errors else str(error)
        raise UnsupportedError(
            f"TensorRT {trt.__version__} makes no builder on this machine: {_line(reason)}"
        ) from error


def _parse(trt: Any, network: tensorrt.INetworkDefinition, log: Any, model: Path, settings: Settings) -> None:
    parser: tensorrt.OnnxParser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(model)):
        if operator := _lacking(parser):
            raise UnsupportedError(f"TensorRT {trt.__version__} lacks the operator {operator} of this graph")
        raise UserError(
            f"{model}: TensorRT {trt.__version__} refuses it: {_parser_error(parser)}; export it again"
        )
    expected = frame_type(trt, settings.frames)
    found = [(network.get_input(i).name, network.get_input(i).dtype) for i in range(network.num_inputs)]
    if found != [("frame", expected)]:
        raise UserError(
            f"{model}: expected one {settings.frames} input named 'frame', found {found}; export it again"
        )


def frame_type(trt: Any, frames: str) -> Any:
    """Return TensorRT's type of frames; raises UnsupportedError if it lacks it."""
    if frames == "float32":
        return trt.DataType.FLOAT
    if not hasattr(trt.DataType, "UINT8"):
        raise UnsupportedError(
            f"TensorRT {trt.__version__} takes no uint8 frames, 8.5 was the first; set frames: float32 for it"
        )
    return trt.DataType.UINT8


def _lacking(parser: tensorrt.OnnxParser) -> str | None:
    """Return the operator that the parser doesn't know; None for another mistake."""
    for i in range(parser.num_errors):
        error = parser.get_error(i)
        found = _NO_IMPORTER.search(error.desc())
        if found or "UNSUPPORTED_NODE" in str(error.code()):
            kind = error.node_operator() if hasattr(error, "node_operator") else ""
            return kind or (found and found[1]) or f"of node {error.node()}"
    return None


def _parser_error(parser: tensorrt.OnnxParser) -> str:
    if not parser.num_errors:
        return "no reason given"
    error = parser.get_error(0)
    # Versions before 8.6 know a node by its number alone.
    name = error.node_name() if hasattr(error, "node_name") else ""
    kind = error.node_operator() if hasattr(error, "node_operator") else ""
    node = f"node {name or error.node()}{f' ({kind})' if kind else ''}: " if error.node() >= 0 else ""
    return f"{node}{_line(error.desc())}"


def _serialize(
    builder: tensorrt.Builder,
    network: tensorrt.INetworkDefinition,
    config: tensorrt.IBuilderConfig,
    *,
    log: Any,
    model: Path,
    calibration: _Calibration | None,
) -> bytes:
    plan = builder.build_serialized_network(network, config)
    if calibration is not None and calibration.calibrator.failure is not None:
        raise calibration.calibrator.failure
    if plan is not None:
        return _content(plan)
    text = " ".join(log.errors)
    advice = ""
    if "workspace" in text.lower():
        advice = "; raise the study's build.workspace_mib, or leave it out"
    elif "out of memory" in text.lower() or "OutOfMemory" in text:
        advice = "; end what else runs on the device, or lower build.workspace_mib"
    raise UserError(f"{model}: TensorRT builds no engine of it: {_line(text) or 'no reason given'}{advice}")


def _content(memory: Any) -> bytes:
    """Return TensorRT's host memory as bytes; not every version's stubs declare it as a buffer."""
    return bytes(memory)


def _line(text: str) -> str:
    return " ".join(text.split())[:400]


def _logged_layers(messages: list[str]) -> list[Layer]:
    found = [message for message in messages if message.startswith(LOG_START)]
    return read_build_log(found[-1]) if found else []


def _flag_names(trt: Any, config: tensorrt.IBuilderConfig) -> list[str]:
    members = trt.BuilderFlag.__members__
    return sorted(name for name, flag in members.items() if config.get_flag(flag))


class _TimingCache:
    """Kernel times from earlier builds on this device with the same version."""

    def __init__(self, trt: Any, config: tensorrt.IBuilderConfig, name: str, device: Device):
        self._config = config
        key = cache_key(name, str(trt.__version__), list(device))
        self._path = cache_folder() / f"timing-{key}.cache"
        content = self._path.read_bytes() if self._path.is_file() else b""
        # A damaged cache gives none, one of another device isn't taken: both are replaced by an empty one.
        cache = config.create_timing_cache(content)
        if cache is None or not config.set_timing_cache(cache, False):
            config.set_timing_cache(config.create_timing_cache(b""), False)

    def keep(self) -> None:
        """Write the cache."""
        write_whole(self._path, _content(self._config.get_timing_cache().serialize()))


@dataclass(frozen=True)
class _Calibration:
    batches: Batches
    cache: CalibrationCache
    calibrator: Any

    @classmethod
    def prepare(cls, trt: Any, name: str, model: Path, settings: Settings) -> _Calibration | None:
        """Prepare an implicit calibration; None for other precisions."""
        if not is_implicit(settings.precision):
            return None
        given = settings.options.get("calibration")
        if not isinstance(given, dict) or given.get("method") not in CALIBRATORS:
            raise UserError(
                f"{settings.precision}: expected a calibration by {' or '.join(CALIBRATORS)}, "
                f"which TensorRT has, found {given and given.get('method')}"
            )
        check_implicit(trt, given["method"])
        frames = Path(given["frames"]) if given.get("frames") else None
        parts = [name, str(trt.__version__), given["method"], given["data"], model]
        key = cache_key(*parts, *([frames] if frames else []))
        cache = CalibrationCache(cache_folder() / f"calibration-{key}.cache")
        batches = Batches(given["data"], frames)
        return cls(batches, cache, make_calibrator(trt, given["method"], batches, cache, Cuda()))

    def facts(self) -> dict[str, Any]:
        """Return the record's facts of the calibration, with TensorRT's cache to replay elsewhere."""
        content = (self.cache.content or b"").decode("ascii", "replace")
        return {
            "calibration": {"images": self.batches.count, "reused": self.cache.reused, "cache": content},
        }
