"""TensorRT-RTX: engines for any RTX card; only running them needs the card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import tensorrt

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.base import Settings
    from superres.device.runtimes.trt.cuda import Device
    from superres.device.runtimes.trt.session import TensorrtSession

NAME = "tensorrt_rtx"

ABOUT = replace(
    tensorrt.ABOUT,
    label="TensorRT-RTX",
    marker="d",
    distributions=("tensorrt-rtx-cu12", "tensorrt-rtx-cu13", "tensorrt-rtx"),
    precisions=("fp32", "fp16", "int8", "as-is"),
)


def check_precision(precision: str) -> None:
    """Raise UnsupportedError or UserError if its engines can't be built or run; see `base.Runtime`."""
    from superres.device.runtimes.trt.config import find_kind
    from superres.device.runtimes.trt.library import load_module

    find_kind(precision)
    load_module(NAME)
    _find_card()


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Build an engine that any RTX card runs; see `base.Runtime`. Needs no GPU."""
    from superres.device.runtimes.trt.config import find_kind
    from superres.device.runtimes.trt.engine import build_engine, check_int8
    from superres.device.runtimes.trt.library import load_module

    find_kind(settings.precision)
    trt = load_module(NAME)
    if model is None:
        raise UserError("tensorrt_rtx: expected an ONNX file as model, found none")
    built = build_engine(trt, NAME, model, settings, None)
    check_int8(built.facts["convolutions"], settings.precision)
    engine.write_bytes(built.plan)
    return built.facts


def open_engine(engine: Path, settings: Settings) -> TensorrtSession:
    """Open the engine; see `base.Runtime`. Raises UnsupportedError where no card can run it."""
    from superres.device.runtimes.trt.library import load_module
    from superres.device.runtimes.trt.session import TensorrtSession, check_origin

    device = _find_card()
    trt = load_module(NAME)
    check_origin(settings.facts, NAME, str(trt.__version__), device)
    return TensorrtSession(trt, engine, settings)


def _find_card() -> Device:
    from superres.device.runtimes.trt.library import find_device

    try:
        return find_device()
    except UnsupportedError as error:
        raise UnsupportedError(f"built, not run: {error}") from error


def versions() -> dict[str, str]:
    """Version of TensorRT-RTX; empty if it isn't installed."""
    from superres.device.runtimes.trt.library import module_version

    return module_version(NAME)
