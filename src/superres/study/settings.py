"""From what a study says to the settings that the package's functions take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superres.quantization.ranges.calibration import FrameFile, RandomImages, images_of
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration, RandomData, SetData
from superres.quantization.steps.base import StepJob


def image_settings(data: Mapping[str, Any], frames: str) -> RandomImages | FrameFile:
    """The images of a calibration: random tensors, or the frame file `frames` of its calibration set."""
    kind = RandomData if data["type"] == "random" else SetData
    return images_of(kind(**data), Path(frames))


def step_job(
    model: str,
    step: str,
    calibration: Mapping[str, Any],
    settings: Mapping[str, Any],
    *,
    frames: str,
    measured: str,
    threads: int,
) -> StepJob:
    """What a step of a recipe is told.

    `frames` is the frame file of the calibration set, `measured` that of what was measured before it; empty
    without one.
    """
    chosen = calibration_settings(**calibration)
    data = chosen.data
    images = None
    if data is not None and (frames or isinstance(data, RandomData)):
        images = images_of(data, Path(frames))
    told = STEPS[step].settings(**settings)
    return StepJob(model, chosen, images, told, threads, Path(measured) if measured else None)


def calibration_settings(**written: Any) -> Calibration:
    """A calibration as its `model_dump` has it."""
    return Calibration(**written)
