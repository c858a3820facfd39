"""What a study wants to know of its models' layers: their sensitivity, and which of them may stay in float."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from superres.device.base.errors import UserError
from superres.quantization.recipes import MEASURED
from superres.study.model import Arm, Quantization, Sensitivity

EXECUTORS = ("onnxruntime", "openvino")
"""Runtimes that execute Q/DQ graphs."""


def parse_sensitivity(full: Mapping[str, Any], arms: Sequence[Arm]) -> Sensitivity | None:
    """The `sensitivity` of a completed configuration, None if it has none.

    Raises UserError if it isn't that of some arms: those of its runtime and of `int8-RECIPE`.
    """
    entry = full.get("sensitivity")
    if entry is None:
        return None
    precision = f"int8-{entry['recipe']}"
    runs = [arm.model for arm in arms if (arm.runtime, arm.precision) == (entry["runtime"], precision)]
    if not runs:
        found = sorted({arm.precision for arm in arms if arm.runtime == entry["runtime"] and arm.int8})
        raise UserError(
            f"sensitivity.recipe: expected what stands behind int8- in a precision of {entry['runtime']} "
            f"({', '.join(found) or 'none'}), found {entry['recipe']!r}; add {precision} to its precisions"
        )
    models = entry.get("models", list(dict.fromkeys(runs)))
    for i, model in enumerate(models):
        if model not in runs:
            raise UserError(
                f"sensitivity.models[{i}]: expected a model that {entry['runtime']} runs in {precision} "
                f"({', '.join(dict.fromkeys(runs))}), found {model!r}"
            )
    return Sensitivity(entry["recipe"], entry["runtime"], tuple(models), entry.get("frames"))


def check_measured_steps(full: Mapping[str, Any], quantizations: Mapping[str, Quantization]) -> None:
    """Raise UserError where a step that follows a measurement has no runtime of the study for it."""
    runtimes = [runtime["name"] for runtime in full["runtimes"] if runtime["name"] in EXECUTORS]
    for quantization in quantizations.values():
        for step in quantization.recipe.steps:
            runtime = full["steps"][step]["runtime"] if step in MEASURED else None
            if runtime is not None and runtime not in runtimes:
                raise UserError(
                    f"steps.{step}.runtime: expected one from `runtimes` ({', '.join(runtimes)}), found {runtime!r}"
                )


def measured_recipes(arms: Iterable[Arm], quantizations: Mapping[str, Quantization]) -> list[tuple[str, str]]:
    """Models with the recipes, as text, that a step of some arm is measured behind; each once."""
    found = []
    for arm in arms:
        if arm.int8 is not None:
            recipe = quantizations[arm.int8].recipe
            found += [(arm.model, recipe.before(step)) for step in recipe.steps if step in MEASURED]
    return list(dict.fromkeys(found))
