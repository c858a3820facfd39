"""OpenVINO with several frames in flight: more frames a second, each of them later.

The graph is that of `openvino`, compiled for throughput:
streams of fewer threads each work on frames of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from superres.device.runtimes import openvino
from superres.device.runtimes.openvino import THROUGHPUT

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.base import Settings
    from superres.device.runtimes.sessions.openvino import StreamingSession

ABOUT = replace(openvino.ABOUT, label="OpenVINO throughput", marker="v")

check_precision = openvino.check_precision


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Compile an ONNX file for this processor and write the compiled blob; see `base.Runtime`."""
    from superres.device.runtimes.sessions.openvino_graphs import compile_file

    return compile_file(model, engine, settings, THROUGHPUT)


def open_engine(engine: Path, settings: Settings) -> StreamingSession:
    """Open the engine; see `base.Runtime`."""
    from superres.device.runtimes.sessions.openvino import StreamingSession, load_compiled, properties

    return StreamingSession(load_compiled(engine, properties(settings, THROUGHPUT)), engine, settings)


def versions() -> dict[str, str]:
    """Version of OpenVINO."""
    return {"openvino_throughput": openvino.versions()["openvino"]}
