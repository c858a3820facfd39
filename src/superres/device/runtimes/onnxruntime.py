"""ONNX Runtime on the CPU: fp32 and Q/DQ INT8 graphs, on uint8 frames if the graph converts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import AS_WRITTEN, About, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.sessions.onnxruntime import OnnxruntimeSession

ABOUT = About(
    label="ONNX Runtime",
    marker="s",
    package="onnxruntime",
    distributions=("onnxruntime", "onnxruntime-gpu"),
    precisions=("fp32", "int8", "as-is"),
    source="onnx",
    refusals={
        "fp16": (
            "expected fp32 or int8-NAME for {runtime}, found fp16: it has no fp16 arithmetic on a CPU; "
            "take it out"
        ),
        "bf16": "onnxruntime has no bf16 convolution on a CPU; take it out",
    },
)


def check_precision(precision: str) -> None:
    """Raise UnsupportedError unless it is fp32 or INT8; see `base.Runtime`."""
    if precision not in ("fp32", AS_WRITTEN) and not precision.startswith("int8-"):
        raise UnsupportedError(f"onnxruntime has no fast {precision} on a CPU; it runs fp32 and int8")


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Write the model, optimised by ONNX Runtime for this processor; see `base.Runtime`."""
    from superres.device.runtimes.sessions.onnxruntime import optimize

    check_precision(settings.precision)
    if model is None:
        raise UserError("onnxruntime: expected an ONNX file as model, found none")
    return optimize(model, engine, settings)


def open_engine(engine: Path, settings: Settings) -> OnnxruntimeSession:
    """Open the engine; see `base.Runtime`."""
    from superres.device.runtimes.sessions.onnxruntime import OnnxruntimeSession

    return OnnxruntimeSession(engine, settings)


def versions() -> dict[str, str]:
    """Version of ONNX Runtime."""
    import onnxruntime

    return {"onnxruntime": onnxruntime.__version__}
