"""The recipes of a study's INT8 precisions."""

from collections.abc import Iterable, Mapping

from superres.device.base.errors import UserError
from superres.quantization.recipes import STEPS, Recipe, parse_recipe
from superres.quantization.settings import Calibration, RandomData
from superres.study.keys.arms import IMPLICIT, Arm
from superres.study.keys.quantization import Quantization
from superres.study.keys.study import Study

TENSORRT_OWN = IMPLICIT.removeprefix("int8-")


def used_quantizations(study: Study) -> dict[str, Quantization]:
    """Return the quantisation of every INT8 precision of a study and its sweep, by the name after `int8-`.

    Raises UserError for an unknown calibration or step, for a step whose calibration lacks the images or
    photographs that it needs, and for a name that a calibration has too.
    """
    _check_written(study)
    used: dict[str, Quantization] = {}
    for i, runtime in enumerate(study.runtimes.values()):
        own = study.swept_precisions if runtime.name == study.sweep.runtime else ()
        for precision in (*runtime.precisions, *own):
            kind, _, text = precision.partition("-")
            if kind == "int8" and text not in used:
                used[text] = _quantization(text, f"runtimes[{i}].precisions", study)
    return used


def _quantization(text: str, key: str, study: Study) -> Quantization:
    # TensorRT's own ranges come from a calibration without steps.
    own = text.removeprefix(TENSORRT_OWN)
    named = {} if own != text else study.quantizations
    found = named.get(text)
    try:
        recipe = _with_steps(parse_recipe(own) if found is None else found.recipe, study.calibrations)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    if own != text and recipe.steps:
        raise UserError(
            f"{key}: expected a calibration without steps as TensorRT's own, found {recipe} for int8-{text}"
        )
    _check_recipe(recipe, key, study.calibrations, named)
    return Quantization(recipe, () if found is None else found.float_layers)


def _with_steps(recipe: Recipe, calibrations: Mapping[str, Calibration]) -> Recipe:
    """Return a recipe with its calibration's steps before its own; raises UserError if they don't fit."""
    first = calibrations[recipe.calibration].steps if recipe.calibration in calibrations else ()
    return parse_recipe("+".join((recipe.calibration, *first, *recipe.steps)))


def _check_written(study: Study) -> None:
    """Raise UserError for a calibration or a named recipe that can't be, used or not."""
    for i, name in enumerate(study.calibrations):
        key = f"calibrations[{i}].steps"
        try:
            recipe = _with_steps(Recipe(name), study.calibrations)
        except UserError as error:
            raise UserError(f"{key}: {error}") from error
        if recipe.steps:
            _check_recipe(recipe, key, study.calibrations, {})
    for i, (name, quantization) in enumerate(study.quantizations.items()):
        key = f"quantizations[{i}]"
        if name in study.calibrations:
            raise UserError(f"{key}.name: expected a name of its own, found {name!r} in `calibrations` too")
        _check_recipe(quantization.recipe, f"{key}.recipe", study.calibrations, {})


def _check_recipe(
    recipe: Recipe, key: str, calibrations: Mapping[str, Calibration], named: Mapping[str, Quantization]
) -> None:
    """Raise UserError unless a recipe's calibration exists and has the images that its steps need."""
    text = str(recipe)
    if recipe.calibration not in calibrations:
        known = ", ".join((*calibrations, *named)) or "none"
        also = " or `quantizations`" if named else ""
        raise UserError(
            f"{key}: expected a recipe that begins with a name from `calibrations`{also} ({known}), found "
            f"{text!r}"
        )
    calibration = calibrations[recipe.calibration]
    if calibration.tool and (recipe.steps or key.startswith("quantizations")):
        raise UserError(
            f"{key}: expected a calibration with ranges of its own, found {text!r}: {calibration.tool} makes "
            f"a whole graph; take int8-{recipe.calibration}, without a step or another name"
        )
    for step in recipe.steps:
        if STEPS[step].images != "none" and calibration.data is None:
            raise UserError(
                f"{key}: expected a calibration with images before the step {step}, found "
                f"{recipe.calibration} in {text!r}, whose method {calibration.method} has none"
            )
        if STEPS[step].images == "photographs" and isinstance(calibration.data, RandomData):
            raise UserError(
                f"{key}: expected a calibration on photographs before the step {step}, found "
                f"{recipe.calibration} in {text!r}, whose images are random"
            )


def measured_recipes(arms: Iterable[Arm], quantizations: Mapping[str, Quantization]) -> list[tuple[str, str]]:
    """Return each model and recipe (text) that a measured step of some arm follows."""
    found = []
    for arm in arms:
        if arm.int8 is not None:
            recipe = quantizations[arm.int8].recipe
            found += [(arm.model, recipe.before(step)) for step in recipe.steps if STEPS[step].measured]
    return list(dict.fromkeys(found))
