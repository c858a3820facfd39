"""Check a study's files, what is known of their sizes, and that clips share no scene with other images.

Decodes nothing and imports nothing heavy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import product
from pathlib import Path

from superres.data.download.addresses import without_secrets
from superres.data.sources.registry import check_source
from superres.data.sources.source import check_disjoint, correct_path
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.device.runtimes.base import AS_WRITTEN
from superres.models.adoption.statements import INSTALL_SPANDREL, external_files
from superres.models.settings import trunk_of
from superres.models.stated import check_stated
from superres.quantization.ranges.cache import read_cache
from superres.quantization.settings import Calibration
from superres.study.check.used import (
    used_calibration_sets,
    used_calibrations,
    used_sources,
    used_training_sets,
)
from superres.study.graph_paths import check_name
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.report import Upscale
from superres.study.keys.study import Study


@without_secrets()
def check_study(study: Study) -> None:
    """Raise UserError for the first unusable file, or a clip that shares a scene with other images."""
    for where, source, smallest in used_sources(study):
        with naming(where):
            check_source(source, smallest)
    for calibration in used_calibrations(study):
        if calibration.method == "cache":
            with naming(f"calibration {calibration.name}"):
                check_name(str(calibration.path))
                read_cache(Path(str(calibration.path)))
    for model in study.models.values():
        if model.onnx is not None:
            _check_model_file(model.name, "onnx", model.onnx)
        elif model.checkpoint is not None:
            _check_model_file(model.name, "checkpoint", model.checkpoint)
            if find_spec("spandrel") is None:
                raise UserError(
                    f"model {model.name}: checkpoint: expected the package spandrel, which reads it, found "
                    f"none; install it with: {INSTALL_SPANDREL}"
                )
        elif model.weights not in ("pretrained", "train"):
            _check_model_file(model.name, "weights", model.weights)
            if (trunk := trunk_of(model.name, model)) is not None:
                with naming(f"model {model.name}: weights"):
                    check_stated(trunk, Path(model.weights))
    _check_as_is(study)
    _check_dla_sizes(study)
    _check_border(study)
    _check_overlaps(study)
    for calibration in used_calibrations(study):
        _check_number(study, calibration)
    if study.upscale is not None:
        _check_upscaled(study.upscale)


def _check_model_file(model: str, key: str, file: str) -> None:
    """Raise UserError for a model's file that isn't there, or that Snakemake can't handle."""
    with naming(f"model {model}: {key}"):
        check_name(file)
        if not Path(file).is_file():
            found = "a folder" if Path(file).is_dir() else "none"
            raise UserError(f"expected a file, found {found} at {file}; {correct_path(Path(file))}")
        for data in external_files(Path(file)) if key == "onnx" else ():
            check_name(data)
            if not Path(data).is_file():
                raise UserError(f"expected the external data of {file}, found none at {data}; copy it there")


def _check_border(study: Study) -> None:
    """Raise UserError for a border that leaves nothing of a clip, as far as its size is known."""
    border = max(study.quality.at(scale)["border"] for scale in study.scales)
    for clip in study.clips.values():
        size = clip.source.size
        if size is not None and min(size) <= 2 * border:
            raise UserError(
                f"quality.border: expected frames larger than a border of "
                f"{counted(border, 'pixel')} at each side, found {size[1]}x{size[0]} in the clip "
                f"{clip.name}; make it narrower"
            )


def _check_as_is(study: Study) -> None:
    """Raise UserError for a runtime with the precision as-is if no network of the study is quantised."""
    for i, runtime in enumerate(study.runtimes.values()):
        if AS_WRITTEN in runtime.precisions and not any(
            model.is_quantized for model in study.models.values()
        ):
            raise UserError(
                f"runtimes[{i}].precisions: expected as-is with a model whose ONNX file is quantised, found "
                "none; take as-is out"
            )


def _check_dla_sizes(study: Study) -> None:
    """Raise UserError for a runtime with a DLA core, which takes frames of one size, and clips of several."""
    sizes = {clip.source.size: name for name, clip in study.clips.items() if clip.source.size is not None}
    for i, runtime in enumerate(study.runtimes.values()):
        if runtime.build.dla_core is not None and len(sizes) > 1:
            found = ", ".join(f"{width}x{height} ({name})" for (height, width), name in sizes.items())
            raise UserError(
                f"runtimes[{i}].build.dla_core: expected clips of one size, as a DLA takes, found {found}; "
                "take dla_core out, or a clip"
            )


def _check_number(study: Study, calibration: Calibration) -> None:
    """Raise UserError for a calibration on more images than its set has, as far as names and keys tell."""
    if calibration.images is None or calibration.calibration_set is None:
        return
    numbers = [
        source.kind.number(source) for source in study.calibration_sets[calibration.calibration_set].sources
    ]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers) and sum(known) < calibration.images:
        swept = f"int8-{calibration.name}" in study.swept_precisions
        key = "sweep.images" if swept else f"calibration {calibration.name}: data.images"
        raise UserError(
            f"{key}: expected "
            f"{counted(calibration.images, 'image')} in the calibration set "
            f"{calibration.calibration_set}, found {sum(known)}; lower it, or add images"
        )


def _check_overlaps(study: Study) -> None:
    """Raise UserError if a clip shares a scene with a calibration or training set.

    The same holds for a validation set and the training set of the same model.
    """
    others = [("calibration set", images) for images in used_calibration_sets(study)]
    others += [("training set", images) for images in used_training_sets(study)]
    for clip, (role, images) in product(study.clips.values(), others):
        shared = check_disjoint([clip.source], images.sources)
        if shared is not None:
            raise UserError(
                f"clip {clip.name} and {role} {images.name}: expected no scene in common, found that "
                f"{shared}; take images of other scenes"
            )
    for model in study.models.values():
        if model.weights == "train":
            training, validation = (
                study.training_sets[getattr(model.training, role)] for role in TRAINING_ROLES
            )
            shared = check_disjoint(training.sources, validation.sources)
            if shared is not None:
                raise UserError(
                    f"training set {training.name} and validation set {validation.name}: expected no scene "
                    f"in common, found that {shared}; take images of other scenes"
                )


def _check_upscaled(video: Upscale) -> None:
    """Raise UserError for a video that is missing or refused, as far as its header and first frame tell."""
    with naming("upscale.input"):
        if not Path(video.input).is_file():
            raise UserError(
                f"expected a video, found no file {video.input}; {correct_path(Path(video.input))}"
            )
        # Studies without videos do without FFmpeg.
        from superres.data.video.facts import video_facts

        video_facts(video.input, deinterlace=video.deinterlace)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Prefix an error with `where`. A file that the system can't look at is an error too."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    except OSError as error:
        # A name that is too long for the system is too long for a message.
        name = str(error.filename)
        shown = name if len(name) <= 200 else f"{name[:197]}..."
        raise UserError(
            f"{where}: expected a file that can be read at {shown}, found: {error.strerror}"
        ) from error
