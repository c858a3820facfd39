"""Read a configuration as a Study, or report its first mistake in one line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from superres.data.download.addresses import without_secrets
from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.errors import UserError
from superres.models.settings import BASELINE, FOLDED_FROM, baseline
from superres.quantization.settings import Calibration
from superres.study.check.references import check_references
from superres.study.graph_paths import check_name
from superres.study.keys.data import Found
from superres.study.keys.models import Model
from superres.study.keys.quantization import Sensitivity
from superres.study.keys.report import Upscale
from superres.study.keys.study import Study
from superres.study.messages import check_values, first_mistake
from superres.study.recipes import used_quantizations
from superres.study.runs.given import found_beside, typed_texts


@without_secrets()
def load_study(
    config: Mapping[str, Any],
    data: str | None = None,
    *,
    folders: Sequence[Path] = (),
    typed: Mapping[str, Any] = MappingProxyType({}),
) -> Study:
    """Return the study of a configuration.

    `data` is the folder or address from the environment where the study's files are looked for first.
    `folders` are those of the study files: what a path doesn't find in the working directory is looked for
    there. `typed` are the keys from a command line, whose texts may be numbers. Raises UserError in one line
    for the first mistake: an unknown or mistyped key, a duplicate or unknown name, a precision without its
    calibration, an arm that its runtime can't run.
    """
    placed, beside = found_beside(config, folders)
    written, values = _validate(placed, data, typed)
    check_values(values)
    study = _complete(written).but(beside=beside)
    check_references(study)
    return study


def _validate(
    config: dict[str, Any], data: str | None, typed: Mapping[str, Any]
) -> tuple[Study, dict[str, Any]]:
    """Return the study of a configuration, and its values with texts of the command line as numbers."""
    while True:
        try:
            return Study.model_validate(config, context=Found(data)), config
        except ValidationError as error:
            retyped = typed_texts(error, Study, config, typed)
            if retyped is None:
                # Not `from error`: its message may contain secrets.
                raise UserError(first_mistake(error, Study, config)) from None
            config = retyped


def _complete(written: Study) -> Study:
    """Return a study with its sweep, recipes, models, sensitivity and video filled in."""
    study = _with_sweep(written)
    study = study.but(quantizations=used_quantizations(study), models=_models(study))
    return study.but(sensitivity=_sensitivity(study), upscale=_upscale(study))


def _with_sweep(study: Study) -> Study:
    """Return a study with the calibrations of its `sweep`, whose arms are `swept`.

    The calibration NAME on n images is NAMEofn. A calibration that the study already has isn't added. Raises
    UserError for a calibration that is unknown, has no images or isn't among the runtime's precisions, and
    for a name that is taken.
    """
    calibrations = dict(study.calibrations)
    swept: list[str] = []
    for i, name in enumerate(study.sweep.calibrations):
        key = f"sweep.calibrations[{i}]"
        base = _swept_calibration(study, name, key)
        for images in study.sweep.images:
            added = base.on(images)
            if any(other.is_same(added) for other in calibrations.values()):
                continue
            if added.name in calibrations:
                raise UserError(
                    f"{key}: expected {added.name} to be free for {name} on {images} images, found another "
                    "calibration of that name; rename it"
                )
            calibrations[added.name] = added
            swept.append(f"int8-{added.name}")
    return study.but(calibrations=calibrations, swept=tuple(swept))


def _swept_calibration(study: Study, name: str, key: str) -> Calibration:
    if name not in study.calibrations:
        known = ", ".join(study.calibrations) or "none"
        raise UserError(f"{key}: expected a name from `calibrations` ({known}), found {name!r}")
    found, runtime = study.calibrations[name], study.sweep.runtime
    if found.data is None:
        raise UserError(
            f"{key}: expected a calibration with images, found {name}, whose method {found.method} has none"
        )
    if runtime not in study.runtimes or f"int8-{name}" not in study.runtimes[runtime].precisions:
        raise UserError(
            f"{key}: expected int8-{name} among the precisions of {runtime}, the sweep's runtime, found it "
            "not there"
        )
    return found


def _models(study: Study) -> dict[str, Model]:
    """Return the models with all training settings.

    A folded model is its origin under another name. The baseline is there once for each scale of the
    networks.
    """
    models = {
        name: model.model_copy(update={"training": study.training.but(model.training)})
        for name, model in study.models.items()
    }
    origins = {name: models.get(FOLDED_FROM.get(name, name), model) for name, model in models.items()}
    scales = sorted({study.scale_of(name) for name in models if name != BASELINE}) or [DEFAULT_SCALE]
    completed: dict[str, Model] = {}
    for name, origin in origins.items():
        named = {baseline(scale): {"scale": scale} for scale in scales} if name == BASELINE else {name: {}}
        for own, changes in named.items():
            completed[own] = origin.model_copy(update={"name": own, **changes})
    return completed


def _sensitivity(study: Study) -> Sensitivity | None:
    """Return the study's `sensitivity` with all its models, or None.

    Raises UserError unless the study has arms of its runtime in `int8-RECIPE`.
    """
    wanted = study.sensitivity
    if wanted is None:
        return None
    precision = f"int8-{wanted.recipe}"
    runs = [arm.model for arm in study.arms if (arm.runtime, arm.precision) == (wanted.runtime, precision)]
    runs = list(dict.fromkeys(runs))
    if not runs:
        found = sorted({arm.precision for arm in study.arms if arm.runtime == wanted.runtime and arm.int8})
        raise UserError(
            f"sensitivity.recipe: expected the name after int8- in a precision of {wanted.runtime} "
            f"({', '.join(found) or 'none'}), found {wanted.recipe!r}; add {precision} to its precisions"
        )
    for i, model in enumerate(wanted.models):
        if model not in runs:
            raise UserError(
                f"sensitivity.models[{i}]: expected a model that {wanted.runtime} runs in {precision} "
                f"({', '.join(runs)}), found {model!r}"
            )
    return wanted.model_copy(update={"models": wanted.models or tuple(runs)})


def _upscale(study: Study) -> Upscale | None:
    """Return the video to upscale, or None. Raises UserError for an arm that the study doesn't have."""
    wanted = study.upscale
    if wanted is None or not wanted.input:
        return None
    named = wanted.named(study.name)
    try:
        check_name(named.output)
    except UserError as error:
        raise UserError(f"upscale.output: {error}, or name another output") from error
    left = [arm for arm in study.arms if arm.target == "local"]
    given = wanted.model_fields_set
    # The mistake is the first key that no remaining arm has.
    for key in ("runtime", "model", "precision"):
        known = list(dict.fromkeys(getattr(arm, key) for arm in left))
        left = [arm for arm in left if getattr(arm, key) == getattr(wanted, key)]
        if not left:
            unstated = "" if key in given else f", the default; state {key} beside input"
            raise UserError(
                f"upscale.{key}: expected that of an arm of this study on this machine "
                f"({', '.join(known) or 'none'}), found {getattr(wanted, key)}{unstated}"
            )
    return named
