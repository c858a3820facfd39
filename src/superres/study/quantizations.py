"""What the INT8 precisions of a study stand for."""

from collections.abc import Mapping
from typing import Any

from superres.device.errors import UserError
from superres.quantization.recipes import NEED_IMAGES, Recipe, parse_recipe
from superres.quantization.tools.presets import TOOLS
from superres.study.model import Quantization


def used_quantizations(full: Mapping[str, Any]) -> dict[str, Quantization]:
    """The quantisation behind every INT8 precision that a completed configuration names, by what follows `int8-`.

    Raises UserError for a recipe of an unknown calibration or step, a step that needs images behind a
    calibration without, and a name that is given twice or to a calibration as well.
    """
    calibrations = {entry["name"]: entry for entry in full["calibrations"]}
    named = _named(full, calibrations)
    used: dict[str, Quantization] = {}
    for i, runtime in enumerate(full["runtimes"]):
        for precision in (*runtime["precisions"], *runtime["swept"]):
            kind, _, text = precision.partition("-")
            if kind == "int8" and text not in used:
                key = f"runtimes[{i}].precisions"
                used[text] = named.get(text) or Quantization(_recipe(text, key, calibrations, named))
    return used


def _named(full: Mapping[str, Any], calibrations: Mapping[str, Any]) -> dict[str, Quantization]:
    named: dict[str, Quantization] = {}
    for i, entry in enumerate(full["quantizations"]):
        key, name = f"quantizations[{i}]", entry["name"]
        if name in named or name in calibrations:
            place = "quantizations" if name in named else "calibrations"
            raise UserError(f"{key}.name: expected a name of its own, found {name!r} in `{place}` too")
        recipe = _recipe(entry["recipe"], f"{key}.recipe", calibrations, {})
        named[name] = Quantization(recipe, tuple(entry["float_layers"]))
    return named


def _recipe(text: str, key: str, calibrations: Mapping[str, Any], named: Mapping[str, Any]) -> Recipe:
    try:
        recipe = parse_recipe(text)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error
    if recipe.calibration not in calibrations:
        known = ", ".join((*calibrations, *named)) or "none"
        also = " or `quantizations`" if named else ""
        raise UserError(
            f"{key}: expected a recipe that begins with a name from `calibrations`{also} ({known}), found {text!r}"
        )
    calibration = calibrations[recipe.calibration]
    if calibration["method"] in TOOLS and (recipe.steps or key.startswith("quantizations")):
        raise UserError(
            f"{key}: expected a calibration with ranges of its own, found {text!r}: {calibration['method']} makes a whole "
            f"graph; take int8-{recipe.calibration}, without a step or another name"
        )
    for step in recipe.steps:
        if step in NEED_IMAGES and "data" not in calibration:
            raise UserError(
                f"{key}: expected a calibration with images before the step {step}, found {recipe.calibration} in "
                f"{text!r}, whose method {calibration['method']} has none"
            )
    return recipe
