"""Check a whole study: its references, its files, and that clips share no scene with other images.

Decodes nothing and imports nothing heavy.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import get_args

from superres.data.download.addresses import without_secrets
from superres.data.sources.registry import check_source
from superres.data.sources.source import Source, check_disjoint, correct_path
from superres.device.base.errors import UserError
from superres.device.base.words import counted
from superres.device.runtimes import RUNTIMES, about
from superres.device.runtimes.base import AS_WRITTEN
from superres.models.adoption.statements import INSTALL_SPANDREL
from superres.models.settings import BASELINE, MODELS, is_baseline, weights_name
from superres.quantization.ranges.cache import read_cache
from superres.quantization.recipes import STEPS
from superres.quantization.settings import INSTALL, TOOLS, Calibration
from superres.study.graph_paths import check_name
from superres.study.keys.data import CalibrationSet, Clip, TrainingSet
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.quantization import Executor
from superres.study.keys.report import Upscale
from superres.study.keys.study import Study

TENSORRT_METHODS = ("entropy", "minmax")
"""TensorRT's own calibration methods, for int8-trt-NAME."""


@without_secrets()
def leave_out_missing(study: Study, *, own_environments: bool = False) -> Study:
    """Return the study without optional clips whose file or folder is missing; these are its `left_out`.

    Also drops optional calibrations whose tool isn't installed (its `missing`) and their arms, unless jobs
    have environments of their own. Raises UserError if no clip is left, and if a tool isn't installed whose
    calibration isn't optional.
    """
    study = study if own_environments else _leave_out_tools(study)
    missing = {name: clip for name, clip in study.clips.items() if clip.optional and not _is_there(clip)}
    if len(missing) == len(study.clips):
        places = ", ".join(str(place_of(clip)) for clip in missing.values())
        raise UserError(
            f"clips: expected at least one of {places}, found none; put one there, or correct its path"
        )
    present = {name: clip for name, clip in study.clips.items() if name not in missing}
    return study.but(clips=present, left_out=missing)


def _leave_out_tools(study: Study) -> Study:
    gone = {c.name: c for c in used_calibrations(study) if c.tool is not None and not TOOLS[c.tool].is_there}
    for calibration in gone.values():
        if not calibration.optional:
            raise UserError(
                f"calibration {calibration.name}: expected the package {calibration.method}, found it not "
                f"installed; install it with `{INSTALL}`, or take int8-{calibration.name} out of the study"
            )
    left = {name: q for name, q in study.quantizations.items() if q.recipe.calibration not in gone}
    reduced = study.but(quantizations=left, missing=gone)
    if not reduced.arms:
        raise UserError(
            f"runtimes: expected arms, found only those of {', '.join(gone)}, whose tool isn't installed"
        )
    return reduced


def study_notes(study: Study) -> list[str]:
    """Return a line for each thing left out, and for each thing of a checked file that frames don't keep."""
    return [*left_out_notes(study), *_source_notes(study), *_crop_notes(study)]


def planned_notes(study: Study, rules: Collection[str]) -> list[str]:
    """Return a line for each reference and column that a run of these rules has to do without."""
    timed = {"measure_latency", "measure_latency_on_device"} & set(rules)
    return [
        *(_reference_notes(study) if timed else []),
        *(_column_notes(study) if "write_table" in rules else []),
    ]


def _crop_notes(study: Study) -> list[str]:
    """Return a line for each clip that is known to be cropped: its frames are no multiples of all scales."""
    step, lines = study.multiple, []
    for clip in study.clips.values():
        size = clip.source.size
        if size is not None and any(side % step for side in size):
            height, width = (side // step * step for side in size)
            lines.append(
                f"Clip `{clip.name}`: frames of {size[1]}x{size[0]} are cropped to {width}x{height}, "
                f"multiples of {step}: all models are measured on the same pixels."
            )
    return lines


def table_notes(study: Study) -> list[str]:
    """Return a line for each clip, tool, reference and column that the study has to do without."""
    return [*left_out_notes(study), *_reference_notes(study), *_column_notes(study)]


def place_notes(study: Study) -> list[str]:
    """Return a line for each path that leads to something beside the study file only."""
    return [
        f"{written} is taken from {found}, beside the study's file: the working directory has none."
        for written, found in study.beside.items()
    ]


def left_out_notes(study: Study) -> list[str]:
    """Return a line for each clip and each calibration that is left out."""
    clips = [
        f"Clip `{clip.name}` is left out: {place_of(clip)} isn't there." for clip in study.left_out.values()
    ]
    tools = [
        f"INT8 {calibration.name} is left out: the package {calibration.method} isn't installed; `{INSTALL}` "
        "does it."
        for calibration in study.missing.values()
    ]
    return clips + tools


def _source_notes(study: Study) -> list[str]:
    return [
        f"{where}: {note}"
        for where, source, _ in _used_sources(study)
        if source.pinned is None or Path(source.pinned.path).exists()
        for note in source.kind.notes(source)
    ]


def _reference_notes(study: Study) -> list[str]:
    """Return a line for each reference that is no arm; a scale whose only model is bicubic needs none."""
    timed = {study.scale_of(arm.model) for arm in study.arms if not is_baseline(arm.model)}
    references = [
        study.reference(scale).on(target)
        for target in dict.fromkeys(arm.target for arm in study.arms)
        for scale in sorted(timed or study.scales)
    ]
    return [
        f"No ratios of speeds on {reference.target}{_at_scale(study, reference.model)}: the reference "
        f"{reference.folder} is no arm of this study."
        for reference in references
        if reference not in study.arms
    ]


def _at_scale(study: Study, model: str) -> str:
    """Return the scale of a model in words, if the study has several."""
    known = len(study.scales) > 1 and model in study.models
    return f" at x{study.scale_of(model)}" if known else ""


def _column_notes(study: Study) -> list[str]:
    """Return a line if no arm has the calibration of the column of calibrated INT8.

    TensorRT's own INT8 of a calibration stands there too: see `in_papers_columns`.
    """
    calibrated = study.table.calibrated
    int8 = {arm.int8 for arm in study.arms if arm.int8 is not None}
    others = {name.removeprefix("trt-") for name in int8} - {"dummy"}
    if {calibrated, f"trt-{calibrated}"} & int8 or not others:
        return []
    known = ", ".join(sorted(others))
    return [
        f'The column "INT8 w/ calibration" is empty: table.calibrated is {calibrated}, which no arm has; '
        f"it may be {known}."
    ]


def place_of(clip: Clip) -> str | None:
    """Return the file or folder of a clip; None for a package or a fetched file."""
    return None if clip.source.pinned else clip.source.path


def _is_there(clip: Clip) -> bool:
    place = place_of(clip)
    with _naming(f"clip {clip.name}"):
        return place is None or Path(place).exists()


@without_secrets()
def check_study(study: Study) -> None:
    """Raise UserError for the first unusable file, or a clip that shares a scene with other images."""
    for where, source, smallest in _used_sources(study):
        with _naming(where):
            check_source(source, smallest)
    for calibration in used_calibrations(study):
        if calibration.method == "cache":
            with _naming(f"calibration {calibration.name}"):
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
    with _naming(f"model {model}: {key}"):
        check_name(file)
        if not Path(file).is_file():
            raise UserError(f"expected a file, found none at {file}; {correct_path(Path(file))}")


def _check_border(study: Study) -> None:
    """Raise UserError for a border that leaves nothing of a clip, as far as its size is known."""
    border = study.quality.border
    for clip in study.clips.values():
        size = clip.source.size
        if size is not None and min(size) <= 2 * border:
            raise UserError(
                f"quality.border: expected frames larger than a border of "
                f"{counted(border, 'pixel')} at each side, "
                f"found {size[1]}x{size[0]} in the clip {clip.name}; make it narrower"
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
        raise UserError(
            f"calibration {calibration.name}: data.images: expected "
            f"{counted(calibration.images, 'image')} in the calibration set "
            f"{calibration.calibration_set}, found {sum(known)}; lower it, or add images"
        )


def _check_upscaled(video: Upscale) -> None:
    """Raise UserError for a video that is missing or refused, as far as its header and first frame tell."""
    with _naming("upscale.input"):
        if not Path(video.input).is_file():
            raise UserError(
                f"expected a video, found no file {video.input}; {correct_path(Path(video.input))}"
            )
        # Studies without videos do without FFmpeg.
        from superres.data.video.facts import video_facts

        video_facts(video.input, deinterlace=video.deinterlace)


@contextmanager
def _naming(where: str) -> Iterator[None]:
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


def check_references(study: Study) -> None:
    """Raise UserError for an unknown name, and for an arm that can't exist."""
    _check_runtimes(study)
    _check_targets(study)
    for calibration in study.calibrations.values():
        if calibration.calibration_set not in (None, *study.calibration_sets):
            known = ", ".join(study.calibration_sets) or "none"
            raise UserError(
                f"calibrations: {calibration.name}: data.name: expected a name from `calibration_sets` "
                f"({known}), found {calibration.calibration_set!r}"
            )
    for model in study.models.values():
        for role in TRAINING_ROLES if model.weights == "train" else ():
            name = getattr(model.training, role)
            if name not in study.training_sets:
                known = ", ".join(study.training_sets) or "none"
                raise UserError(
                    f"training.{role}: expected a name from `training_sets` ({known}), found {name!r}"
                )
    _check_teachers(study)
    _check_int8_arms(study)
    _check_measured_steps(study)


def _check_teachers(study: Study) -> None:
    """Raise UserError for a teacher that is no network of the study, or learns from its pupil."""
    known = [name for name in study.models if not is_baseline(name)]
    taught = {
        name: model.training.teacher.model
        for name, model in study.models.items()
        if model.weights == "train" and model.training.teacher is not None
    }
    for pupil, teacher in taught.items():
        if teacher not in known:
            raise UserError(
                f"training.teacher.model of {pupil}: expected a network from `models` ({', '.join(known)}), "
                f"found {teacher!r}"
            )
        theirs, own = study.scale_of(teacher), study.scale_of(pupil)
        if theirs != own:
            raise UserError(
                f"training.teacher.model of {pupil}: expected a network of its own scale, x{own}, found "
                f"{teacher!r} of x{theirs}"
            )
    try:
        learns = {weights_name(pupil): [weights_name(teacher)] for pupil, teacher in taught.items()}
        TopologicalSorter(learns).prepare()
    except CycleError as error:
        raise UserError(
            "training.teacher.model: expected teachers that don't learn from their pupils, "
            f"found {' teaches '.join(error.args[1])}"
        ) from error


def _check_runtimes(study: Study) -> None:
    for i, runtime in enumerate(study.runtimes.values()):
        for j, model in enumerate(runtime.models or ()):
            if model not in study.models and model not in MODELS:
                raise UserError(
                    f"runtimes[{i}].models[{j}]: expected a name from `models` ({', '.join(study.models)}), "
                    f"found {model!r}"
                )
    """Raise UserError unless bicubic and its runtime are both there, or neither."""
    alone = [name for name in study.runtimes if about(name).source == "none"]
    bicubic = any(map(is_baseline, study.models))
    if alone and not bicubic:
        index = list(study.runtimes).index(alone[0])
        raise UserError(
            f"runtimes[{index}]: {alone[0]} runs the model {BASELINE} only, which `models` doesn't name"
        )
    if bicubic and not alone:
        runtime = next(name for name in RUNTIMES if about(name).source == "none")
        (precision,) = about(runtime).precisions
        raise UserError(
            f"models: {BASELINE} runs in the runtime {runtime}, which `runtimes` doesn't name: "
            f"add {{name: {runtime}, precisions: [{precision}]}}"
        )


def _check_targets(study: Study) -> None:
    for i, target in enumerate(study.targets.values()):
        for j, runtime in enumerate(target.runtimes or ()):
            if runtime not in study.runtimes:
                known = ", ".join(study.runtimes)
                raise UserError(
                    f"targets[{i}].runtimes[{j}]: expected a name from `runtimes` ({known}), found "
                    f"{runtime!r}"
                )


def _check_int8_arms(study: Study) -> None:
    """Raise UserError for a step that a runtime refuses, and a method that TensorRT lacks."""
    for arm in (*study.arms, *study.swept):
        calibration = study.calibration_of(arm)
        steps = study.quantizations[arm.int8].recipe.steps if arm.int8 is not None else ()
        for step in steps:
            if reason := about(arm.runtime).step_refusals.get(step):
                raise UserError(f"runtimes: {arm.runtime}: {arm.precision}: {reason}")
        if arm.implicit and calibration is not None and calibration.method not in TENSORRT_METHODS:
            raise UserError(
                f"runtimes: {arm.runtime}: {arm.precision}: expected a calibration by "
                f"{' or '.join(TENSORRT_METHODS)}, which TensorRT has itself, found {calibration.method}"
            )


def _check_measured_steps(study: Study) -> None:
    """Raise UserError if the study lacks the runtime of a measured step."""
    for quantization in study.quantizations.values():
        for step in quantization.recipe.steps:
            runtime = getattr(study.steps, step).runtime if STEPS[step].measured else None
            if runtime is not None and runtime not in study.runtimes:
                known = ", ".join(name for name in study.runtimes if name in get_args(Executor))
                raise UserError(
                    f"steps.{step}.runtime: expected one from `runtimes` ({known}), found {runtime!r}"
                )


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


def _used_sources(study: Study) -> Iterator[tuple[str, Source, int]]:
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
