"""The runtimes of engines, one module each.

A runtime's module has `ABOUT` and the functions `check_precision`, `build`, `open_engine` and `versions`
(see `base.Runtime`). To add one, write its module here and add its line to `RUNTIMES`.

base.py      what every runtime has: About, Settings, Sizes, Session, LayerTime
sessions/    code that calls PyTorch, ONNX Runtime and OpenVINO
trt/         code that calls TensorRT and TensorRT-RTX
"""

from __future__ import annotations

import importlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, cast

from superres.device.base.errors import UserError

if TYPE_CHECKING:
    from superres.device.runtimes.base import About, Runtime

# In the order of the table's columns.
RUNTIMES: dict[str, str] = {
    "pytorch": "superres.device.runtimes.pytorch",
    "pytorch_tuned": "superres.device.runtimes.pytorch_tuned",
    "onnxruntime": "superres.device.runtimes.onnxruntime",
    "openvino": "superres.device.runtimes.openvino",
    "openvino_throughput": "superres.device.runtimes.openvino_throughput",
    "tensorrt": "superres.device.runtimes.tensorrt",
    "tensorrt_rtx": "superres.device.runtimes.tensorrt_rtx",
    "opencv": "superres.device.runtimes.opencv",
}

_CARDS = Path("/proc/driver/nvidia/gpus")
_MODULE = Path("/proc/device-tree/model")
_REFUSALS = {
    "int8-trt": (
        "expected {precision} with the runtime tensorrt only, found it with {runtime}; "
        "take {qdq}, a Q/DQ graph"
    ),
    "as-is": "expected onnxruntime, openvino or tensorrt for as-is, found {runtime}; take as-is out",
    "uint8": "expected any precision but uint8 for {runtime}, found uint8",
}


def about(name: str) -> About:
    """Return facts of a runtime without importing its package; raises UserError if it is unknown."""
    return _module(name).ABOUT


def load_runtime(name: str) -> Runtime:
    """Import a runtime and its package; raises UserError if it is unknown or its package is missing."""
    try:
        runtime = _module(name)
        if runtime.ABOUT.package is not None:
            importlib.import_module(runtime.ABOUT.package)
    except ModuleNotFoundError as error:
        raise UserError(
            f"runtime {name}: expected the Python package {error.name!r} on this machine, "
            f"found none; install it"
        ) from error
    return runtime


def precision_kind(precision: str) -> str:
    """Return a precision's kind: `int8-trt` or `int8` by its prefix, else the precision itself."""
    kinds = [kind for kind in ("int8-trt", "int8") if precision.startswith(f"{kind}-")]
    return kinds[0] if kinds else precision


def refusal(name: str, precision: str) -> str | None:
    """Return why a runtime never runs a precision, and what to do, in one line; None if it may."""
    facts, kind = about(name), precision_kind(precision)
    if kind in facts.precisions:
        return None
    *others, last = [known for known in facts.precisions if known not in ("int8-trt", "as-is")]
    listed = f"{', '.join(others)} or {last}" if others else last
    reason = facts.refusals.get(kind) or _REFUSALS.get(kind)
    reason = reason or f"expected {listed} for {{runtime}}, found {{precision}}; take it out"
    return reason.format(runtime=name, precision=precision, qdq=precision.replace("-trt-", "-"))


def engine_identity(runtime: str) -> dict[str, str]:
    """Return the version and, if engines belong to one, the device; a change of either rebuilds engines.

    Empty if it isn't installed, or its engines fit every version. It reads only package metadata and /proc,
    and loads no driver or library.
    """
    facts, found = about(runtime), {}
    for name in facts.distributions:
        try:
            found["version"] = metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    if facts.device_bound:
        found["device"] = ", ".join(_devices())
    return found


def _module(name: str) -> Runtime:
    if name not in RUNTIMES:
        raise UserError(f"runtime: expected one of {', '.join(sorted(RUNTIMES))}, found {name!r}")
    return cast("Runtime", importlib.import_module(RUNTIMES[name]))


def _devices() -> list[str]:
    """Return the names of the NVIDIA cards, or of the Jetson module; none without a driver."""
    cards = [_model_of(card / "information") for card in sorted(_CARDS.glob("*"))]
    if not cards and _MODULE.is_file():
        cards = [_MODULE.read_text(encoding="utf-8").strip("\0\n ")]
    return cards


def _model_of(card: Path) -> str:
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "unknown")
