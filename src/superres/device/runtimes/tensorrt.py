"""TensorRT on an NVIDIA GPU: fp32, fp16, Q/DQ graphs, and the implicit calibration of versions up to 10.

The engine belongs to one version and one device. Not yet run on hardware: see `docs/gpu.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UserError
from superres.device.runtimes.base import About, Settings
from superres.device.runtimes.trt.config import BuildOptions

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.trt.session import TensorrtSession

NAME = "tensorrt"

ABOUT = About(
    label="TensorRT",
    marker="D",
    distributions=("tensorrt", "tensorrt-cu13", "tensorrt-cu12", "tensorrt-cu11"),
    precisions=("fp32", "fp16", "int8", "int8-trt", "as-is"),
    source="onnx",
    refusals={"bf16": "expected fp32, fp16 or int8 for {runtime}, found bf16; take it out"},
    step_refusals={
        # Its parser reads uint8 with zero-point 0 as int8, which would silently clip half of the range.
        "asymmetric": (
            "expected symmetric activations, the only ones that TensorRT has, found the step asymmetric; "
            "take center instead"
        )
    },
    sized=True,
    fp16_file=True,
    device_bound=True,
    build_options=tuple(BuildOptions.__dataclass_fields__),
)


def check_precision(precision: str) -> None:
    """Raise UnsupportedError or UserError if this device or TensorRT can't run it; see `base.Runtime`."""
    from superres.device.runtimes.trt.calibrator import check_implicit, is_implicit
    from superres.device.runtimes.trt.config import check_fast, find_kind, is_strongly_typed
    from superres.device.runtimes.trt.engine import make_builder
    from superres.device.runtimes.trt.library import find_device, load_module, make_log

    kind = find_kind(precision)
    find_device()
    trt = load_module(NAME)
    if is_implicit(precision):
        check_implicit(trt, "entropy")
    if kind != "fp32" and not is_strongly_typed(trt):
        check_fast(make_builder(trt, make_log(trt)), kind)


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Build the engine of an ONNX file for this device; see `base.Runtime`."""
    from superres.device.runtimes.trt.config import find_kind
    from superres.device.runtimes.trt.engine import build_engine, check_int8
    from superres.device.runtimes.trt.layers import count_convolutions, count_dla_layers, read_inspector
    from superres.device.runtimes.trt.library import find_device, load_module
    from superres.device.runtimes.trt.session import inspect_plan

    find_kind(settings.precision)
    device = find_device()
    trt = load_module(NAME)
    if model is None:
        raise UserError("tensorrt: expected an ONNX file as model, found none")
    built = build_engine(trt, NAME, model, settings, device)
    facts = dict(built.facts)
    try:
        layers = read_inspector(inspect_plan(trt, built.plan, settings, where=str(model)))
        facts.update(convolutions=count_convolutions(layers), dla_layers=count_dla_layers(layers))
    except UserError as error:
        # A version with another description of layers still runs them.
        facts["inspector"] = str(error)
    check_int8(facts["convolutions"], settings.precision)
    engine.write_bytes(built.plan)
    return facts


def open_engine(engine: Path, settings: Settings) -> TensorrtSession:
    """Open the engine; see `base.Runtime`. Raises UserError if it was built elsewhere."""
    from superres.device.runtimes.trt.library import find_device, load_module
    from superres.device.runtimes.trt.session import TensorrtSession, check_origin

    device = find_device()
    trt = load_module(NAME)
    check_origin(settings.facts, NAME, str(trt.__version__), device)
    return TensorrtSession(trt, engine, settings)


def versions() -> dict[str, str]:
    """Version of TensorRT; empty without it or without a driver."""
    from superres.device.runtimes.trt.library import module_version

    return module_version(NAME)
