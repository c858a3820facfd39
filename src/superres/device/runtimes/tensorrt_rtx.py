"""TensorRT-RTX: engines for any RTX card, built without one; running them needs the card."""

from pathlib import Path
from typing import Any, Dict, Optional

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import Settings
from superres.device.runtimes.trt.config import precision_kind
from superres.device.runtimes.trt.cuda import Device
from superres.device.runtimes.trt.engine import build_engine, check_int8
from superres.device.runtimes.trt.library import find_device, load_module, module_version
from superres.device.runtimes.trt.session import TensorrtSession, check_origin

NAME = "tensorrt_rtx"


def check_precision(precision: str) -> None:
    """Raise UnsupportedError or UserError where its engines can't be built, or not run; see `base.Runtime`."""
    precision_kind(precision)
    load_module(NAME)
    _find_card()


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Build an engine that any RTX card runs; see `base.Runtime`. Needs no GPU."""
    precision_kind(settings.precision)
    trt = load_module(NAME)
    if model is None:
        raise UserError("tensorrt_rtx: expected an ONNX file as model, found none")
    built = build_engine(trt, NAME, model, settings, None)
    check_int8(built.facts["convolutions"], settings.precision)
    engine.write_bytes(built.plan)
    return built.facts


def open_engine(engine: Path, settings: Settings) -> TensorrtSession:
    """Open the engine; see `base.Runtime`. Raises UnsupportedError where no card can run it."""
    device = _find_card()
    trt = load_module(NAME)
    check_origin(settings.facts, NAME, str(trt.__version__), device)
    return TensorrtSession(trt, engine, settings)


def _find_card() -> Device:
    try:
        return find_device()
    except UnsupportedError as error:
        raise UnsupportedError(f"built, not run: {error}") from error


def versions() -> Dict[str, str]:
    """Version of TensorRT-RTX; nothing where it isn't installed."""
    return module_version(NAME)
