"""What the INT8 precisions of a study stand for."""

from collections.abc import Mapping
from typing import Any

from superres.device.base.errors import UserError
from superres.quantization.recipes import (
    FIXED_POINT,
    NEED_IMAGES,
    NEED_PHOTOGRAPHS,
    Recipe,
    parse_recipe,
)
from superres.quantization.settings import TOOLS
from superres.study.model import IMPLICIT, Quantization

TENSORRT_OWN = IMPLICIT.removeprefix("int8-")


def used_quantizations(full: Mapping[str, Any]) -> dict[str, Quantization]:
    """The quantisation behind every INT8 precision that a completed configuration names, by what follows `int8-`.

    Raises UserError for a recipe of an unknown calibration or step, a step that needs images or photographs behind a
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
                # TensorRT's own ranges are of a calibration alone.
                own = text.removeprefix(TENSORRT_OWN)
                names = {} if own != text else named
                used[text] = names.get(text) or Quantization(_recipe(own, key, calibrations, names))
        if runtime["name"] == "fixedpoint":
            _check_fixed_point(runtime, used, f"runtimes[{i}]")
    return used


def _check_fixed_point(runtime: Mapping[str, Any], used: Mapping[str, Quantization], key: str) -> None:
    """Whole numbers need scales that are powers of two, and frames as they are."""
    for precision in runtime["precisions"]:
        quantization = used.get(precision.removeprefix("int8-"))
        if quantization is None or not {*quantization.recipe.steps} & {*FIXED_POINT}:
            raise UserError(
                f"{key}.precisions: expected INT8 with the step {' or '.join(FIXED_POINT)} for fixedpoint, found {precision}"
            )
    if runtime["frames"] != "uint8":
        raise UserError(f"{key}.frames: expected uint8 for fixedpoint, found {runtime['frames']}")


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
        if step in NEED_PHOTOGRAPHS and calibration["data"]["type"] == "random":
            raise UserError(
                f"{key}: expected a calibration on photographs before the step {step}, found {recipe.calibration} in "
                f"{text!r}, whose images are random"
            )
    return recipe
