"""Check a study's references: unknown names, and arms that can't exist."""

from graphlib import CycleError, TopologicalSorter
from typing import get_args

from superres.device.base.errors import UserError
from superres.device.runtimes import RUNTIMES, about
from superres.models.settings import BASELINE, MODELS, is_baseline, trained_on, weights_name
from superres.quantization.recipes import STEPS
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.quantization import Executor
from superres.study.keys.study import Study

TENSORRT_METHODS = ("entropy", "minmax")
"""TensorRT's own calibration methods, for int8-trt-NAME."""


def check_references(study: Study) -> None:
    """Raise UserError for an unknown name, and for an arm that can't exist."""
    _check_runtimes(study)
    _check_baseline(study)
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
                    f"training.{role}: expected a name from `training_sets` ({known}), found {name!r}; "
                    "add it, as studies/search.yaml does"
                )
    _check_teachers(study)
    _check_int8_arms(study)
    _check_measured_steps(study)


def _check_runtimes(study: Study) -> None:
    """Raise UserError for a runtime with an unknown model."""
    for i, runtime in enumerate(study.runtimes.values()):
        for j, model in enumerate(runtime.models or ()):
            if model not in study.models and model not in MODELS:
                raise UserError(
                    f"runtimes[{i}].models[{j}]: expected a name from `models` ({', '.join(study.models)}), "
                    f"found {model!r}"
                )


def _check_baseline(study: Study) -> None:
    """Raise UserError unless bicubic and its runtime are both there, or neither."""
    alone = [name for name in study.runtimes if about(name).source == "none"]
    bicubic = any(map(is_baseline, study.models))
    if alone and not bicubic:
        index = list(study.runtimes).index(alone[0])
        raise UserError(
            f"runtimes[{index}]: {alone[0]} runs the model {BASELINE} only, which `models` doesn't name: "
            f"add {{name: {BASELINE}}}"
        )
    if bicubic and not alone:
        runtime = next(name for name in RUNTIMES if about(name).source == "none")
        (precision,) = about(runtime).precisions
        raise UserError(
            f"models: {BASELINE} runs in the runtime {runtime}, which `runtimes` doesn't name: "
            f"add {{name: {runtime}, precisions: [{precision}]}}"
        )


def _check_targets(study: Study) -> None:
    """Raise UserError for a target with an unknown runtime."""
    for i, target in enumerate(study.targets.values()):
        for j, runtime in enumerate(target.runtimes or ()):
            if runtime not in study.runtimes:
                known = ", ".join(study.runtimes)
                raise UserError(
                    f"targets[{i}].runtimes[{j}]: expected a name from `runtimes` ({known}), found "
                    f"{runtime!r}"
                )


def _check_teachers(study: Study) -> None:
    """Raise UserError for a teacher that can't teach its pupil, or learns from it."""
    taught = {
        name: model.training.teacher.model
        for name, model in study.models.items()
        if model.weights == "train" and model.training.teacher is not None
    }
    try:
        learns = {weights_name(pupil): [weights_name(teacher)] for pupil, teacher in taught.items()}
        TopologicalSorter(learns).prepare()
    except CycleError as error:
        raise UserError(
            "training.teacher.model: expected teachers that don't learn from their pupils, "
            f"found {' teaches '.join(error.args[1])}; write `teacher` in the `training` of each pupil alone"
        ) from error
    for pupil, teacher in taught.items():
        _check_teacher(study, pupil, teacher)


def _check_teacher(study: Study, pupil: str, teacher: str) -> None:
    """Raise UserError for a teacher that is no network of the study, or of another scale or colour."""
    where = f"training.teacher.model of {pupil}: expected a network"
    known = [name for name, model in study.models.items() if not is_baseline(name) and model.file is None]
    if teacher not in known:
        raise UserError(f"{where} from `models` ({', '.join(known)}), found {teacher!r}")
    theirs, own = study.scale_of(teacher), study.scale_of(pupil)
    if theirs != own:
        raise UserError(f"{where} of its own scale, x{own}, found {teacher!r} of x{theirs}")
    theirs, own = (trained_on(name, study.models[name]) for name in (teacher, pupil))
    if theirs != own:
        raise UserError(f"{where} on {own}, as itself, found {teacher!r} on {theirs}")


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
