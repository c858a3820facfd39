"""OpenVINO on the CPU; the compiled graph can include the conversion of uint8 frames."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UnsupportedError
from superres.device.runtimes.base import AS_WRITTEN, About, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.sessions.openvino import OpenvinoSession

# OpenVINO sends telemetry on import, from a forked process that can hang forever. It uses a stub if the
# telemetry package can't be imported.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

ABOUT = About(
    label="OpenVINO",
    marker="^",
    package="openvino",
    distributions=("openvino",),
    precisions=("fp32", "bf16", "int8", "as-is"),
    source="onnx",
    sized=True,
    refusals={
        "fp16": (
            "expected fp32, bf16 or int8-NAME for {runtime}, found fp16: it has no fp16 arithmetic on a CPU; "
            "take it out"
        ),
    },
)

LATENCY, THROUGHPUT = "LATENCY", "THROUGHPUT"
"""OpenVINO's performance hints: the least latency of a frame, or many frames a second."""

CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8", AS_WRITTEN: "FP32"}
"""OpenVINO's names of a processor's native types; some processors have fp16."""


def check_precision(precision: str) -> None:
    """Raise UnsupportedError for a precision that OpenVINO never has; see `base.Runtime`."""
    find_kind(precision)


def find_kind(precision: str) -> str:
    """Return one of `CAPABILITIES`; raises UnsupportedError for any other precision."""
    kind = "int8" if precision.startswith("int8-") else precision
    if kind not in CAPABILITIES:
        raise UnsupportedError(f"openvino runs {', '.join(CAPABILITIES)}, not {precision}")
    return kind


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Compile an ONNX file for this processor and write the compiled blob; see `base.Runtime`."""
    from superres.device.runtimes.sessions.openvino_graphs import compile_file

    return compile_file(model, engine, settings, LATENCY)


def open_engine(engine: Path, settings: Settings) -> OpenvinoSession:
    """Open the engine; see `base.Runtime`."""
    from superres.device.runtimes.sessions.openvino import OpenvinoSession, load_compiled, properties

    return OpenvinoSession(load_compiled(engine, properties(settings, LATENCY)), engine, settings)


def versions() -> dict[str, str]:
    """Version of OpenVINO."""
    import openvino

    return {"openvino": openvino.get_version()}
