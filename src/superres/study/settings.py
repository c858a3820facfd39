"""From what a study says to the settings that the package's functions take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superres.quantization.ranges.calibration import CalibrationSettings, FrameFile, RandomImages
from superres.quantization.steps.base import StepJob


def image_settings(data: Mapping[str, Any], frames: Path | None) -> RandomImages | FrameFile:
    """The images of a calibration: random tensors, or those of the frame file `frames` of its calibration set."""
    if data["type"] == "random":
        return RandomImages(data["kind"], data["seed"], data["images"], data["height"], data["width"])
    if frames is None:
        raise ValueError("a calibration set without its frame file")
    return FrameFile(frames, data.get("images"))


def step_job(
    model: str,
    calibration: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    frames: Path | None,
    measured: Path | None,
    threads: int,
) -> StepJob:
    """What a step of a recipe is told.

    `frames` is the frame file of the calibration set, `measured` that of what was measured before it, or None.
    """
    data = calibration["data"]
    images = image_settings(data, frames) if data and (frames or data["type"] == "random") else None
    return StepJob(
        model,
        calibration_settings(**calibration),
        images,
        settings,
        threads,
        measured,
    )


def calibration_settings(
    name: str, method: str, data: Mapping[str, Any] | None, settings: Mapping[str, Any]
) -> CalibrationSettings:
    """Settings of a calibration, but for the path of a cache, which the workflow hands over as an input."""
    images = None if data is None else data.get("images")
    return CalibrationSettings(
        name, method, images, **{key: value for key, value in settings.items() if key != "path"}
    )
