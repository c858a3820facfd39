"""What a study uses: calibrations, sets of images and their sources."""

from collections.abc import Iterator

from superres.data.sources.source import Source
from superres.quantization.settings import Calibration
from superres.study.keys.data import CalibrationSet, TrainingSet
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.study import Study


def used_calibrations(study: Study) -> list[Calibration]:
    """Return the calibrations of the arms."""
    names = {quantization.recipe.calibration for quantization in study.quantizations.values()}
    return [calibration for name, calibration in study.calibrations.items() if name in names]


def used_calibration_sets(study: Study) -> list[CalibrationSet]:
    """Return the calibration sets of the arms."""
    names = {calibration.calibration_set for calibration in used_calibrations(study)}
    return [images for name, images in study.calibration_sets.items() if name in names]


def used_training_sets(study: Study) -> list[TrainingSet]:
    """Return the training and validation sets of the models that the study trains."""
    trained = [model for model in study.models.values() if model.weights == "train"]
    names = {getattr(model.training, role) for model in trained for role in TRAINING_ROLES}
    return [images for name, images in study.training_sets.items() if name in names]


def used_sources(study: Study) -> Iterator[tuple[str, Source, int]]:
    """Yield every source with its role and the least width and height of its images."""
    for clip in study.clips.values():
        yield f"clip {clip.name}", clip.source, study.multiple
    for images in used_calibration_sets(study):
        yield from ((f"calibration set {images.name}", source, 2) for source in images.sources)
    for images in used_training_sets(study):
        smallest = _largest_patch(study, images)
        yield from ((f"training set {images.name}", source, smallest) for source in images.sources)


def _largest_patch(study: Study, images: TrainingSet) -> int:
    """Return the width of the largest HR patch drawn from a set; 2 if it is for validation only."""
    patches = [
        study.scale_of(name) * max(model.training.patches)
        for name, model in study.models.items()
        if model.weights == "train" and model.training.training_set == images.name
    ]
    return max(patches, default=2)
