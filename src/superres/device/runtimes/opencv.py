"""OpenCV: the bicubic baseline in fixed point on uint8 frames. It needs no model."""

import json
from pathlib import Path
from typing import Any, Dict, Optional

import cv2
import numpy as np

from superres.device.errors import UnsupportedError, UserError
from superres.device.runtimes.base import Session, Settings

# Fixed in OpenCV's source; written down for whoever compares it with another bicubic.
_ENGINE = {"interpolation": "cubic", "a": -0.75, "scale": 2}


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Write the engine, a small JSON file that names the interpolation; see `base.Runtime`."""
    if settings.precision != "uint8":
        raise UnsupportedError(f"opencv interpolates in uint8 only, not in {settings.precision}")
    if settings.frames != "uint8":
        raise UnsupportedError(f"opencv takes and gives uint8 frames only, not {settings.frames}")
    engine.write_text(json.dumps(_ENGINE) + "\n", encoding="utf-8")
    return dict(_ENGINE)


def open_engine(engine: Path, settings: Settings) -> "OpencvSession":
    """Open the engine; see `base.Runtime`."""
    try:
        found = json.loads(engine.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{engine}: expected an engine of the opencv runtime, found no JSON") from error
    if found != _ENGINE:
        raise UserError(f"{engine}: expected {_ENGINE}, found {found}; build the engine again")
    return OpencvSession(settings)


def versions() -> Dict[str, str]:
    """Version of OpenCV."""
    return {"opencv": cv2.__version__}


class OpencvSession(Session):
    """Bicubic interpolation by two (a = -0.75) of uint8 frames."""

    def __init__(self, settings: Settings):
        cv2.setNumThreads(settings.threads)
        self._output = np.empty((0, 0, 3), np.uint8)

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        height, width, _ = inputs.shape
        if self._output.shape[:2] != (2 * height, 2 * width):
            self._output = np.empty((2 * height, 2 * width, 3), np.uint8)
        cv2.resize(inputs, (2 * width, 2 * height), dst=self._output, interpolation=cv2.INTER_CUBIC)
        return self._output

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        return outputs
