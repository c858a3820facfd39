"""OpenCV: the bicubic baseline on uint8 frames, with OpenCV's own kernel or MATLAB's. It needs no model."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Callable

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import WARMUP_RUNS, About, LayerTime, Session, Settings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

ABOUT = About(
    label="OpenCV",
    marker="X",
    package="cv2",
    precisions=("uint8",),
    source="none",
    refusals=dict.fromkeys(
        ("fp32", "fp16", "bf16", "int8", "int8-trt"), "expected uint8 for {runtime}, found {precision}"
    ),
    frames=("uint8",),
)

# OpenCV's source fixes `a`; it is recorded to compare it with other bicubics.
_ENGINES: dict[str, dict[str, Any]] = {
    "opencv": {"interpolation": "cubic", "kernel": "opencv", "a": -0.75},
    "matlab": {"interpolation": "cubic", "kernel": "matlab", "a": -0.5},
}


def check_precision(precision: str) -> None:
    """Raise UnsupportedError unless it is uint8; see `base.Runtime`."""
    if precision != "uint8":
        raise UnsupportedError(f"opencv interpolates in uint8 only, not in {precision}")


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Write the engine, a small JSON file that names the interpolation; see `base.Runtime`.

    The option `kernel` is `opencv` (cv2.resize in fixed point; the default) or `matlab` (`enlarge_bicubic`).
    """
    check_precision(settings.precision)
    if settings.frames != "uint8":
        raise UnsupportedError(f"opencv takes and gives uint8 frames only, not {settings.frames}")
    kernel = settings.options.get("kernel", "opencv")
    if kernel not in _ENGINES:
        raise UserError(f"opencv: expected a kernel of {', '.join(_ENGINES)}, found {kernel!r}")
    facts = {**_ENGINES[kernel], "scale": settings.scale}
    engine.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return facts


def open_engine(engine: Path, settings: Settings) -> OpencvSession:
    """Open the engine; see `base.Runtime`."""
    from superres.device.frames.pixels import enlarge_bicubic

    try:
        found = json.loads(engine.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{engine}: expected an engine of the opencv runtime, found no JSON") from error
    known = [{**facts, "scale": settings.scale} for facts in _ENGINES.values()]
    if found not in known:
        expected = " or ".join(map(str, known))
        raise UserError(f"{engine}: expected {expected}, found {found}; build the engine again")
    return OpencvSession(enlarge_bicubic if found["kernel"] == "matlab" else _resize, settings)


def versions() -> dict[str, str]:
    """Version of OpenCV."""
    import cv2

    return {"opencv": cv2.__version__}


class OpencvSession(Session):
    """Bicubic interpolation of uint8 frames; `enlarge` reads a frame, the scale and writes another."""

    def __init__(self, enlarge: Callable[[np.ndarray, int, np.ndarray], object], settings: Settings):
        import cv2

        cv2.setNumThreads(settings.threads)
        self._enlarge, self._scale = enlarge, settings.scale
        self._output: np.ndarray | None = None

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        height, width, _ = inputs.shape
        larger = self._scale * height, self._scale * width
        if self._output is None or self._output.shape[:2] != larger:
            import numpy as np

            self._output = np.empty((*larger, 3), np.uint8)
        self._enlarge(inputs, self._scale, self._output)
        return self._output

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        return outputs

    def profile(self, frame: np.ndarray, runs: int) -> list[LayerTime]:
        """Time the only operation."""
        times = []
        for run in range(-WARMUP_RUNS, runs):
            started = time.perf_counter()
            self.execute(frame)
            ms = (time.perf_counter() - started) * 1000
            if run >= 0:
                times.append(LayerTime(run, "resize", "Resize", str(frame.dtype), frame.shape, 0, (), ms))
        return times


def _resize(frame: np.ndarray, scale: int, out: np.ndarray) -> None:
    import cv2

    cv2.resize(frame, out.shape[1::-1], dst=out, interpolation=cv2.INTER_CUBIC)
