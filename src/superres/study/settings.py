"""From what a study says to the settings that the package's functions take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superres.quantization.calibration import CalibrationSettings, FrameFile, RandomImages


def calibration_settings(name: str, method: str, data: Mapping[str, Any], frames: str) -> CalibrationSettings:
    """Settings of a calibration: on random tensors, or on the frame file `frames` of its calibration set."""
    if data["type"] == "random":
        images = RandomImages(data["kind"], data["seed"], data["images"], data["height"], data["width"])
    else:
        images = FrameFile(Path(frames), data.get("images"))
    return CalibrationSettings(name, method, images)
