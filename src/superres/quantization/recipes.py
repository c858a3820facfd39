"""Recipes: a calibration, and the steps that follow it. Light: the workflow imports it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from superres.device.base.errors import UserError
from superres.keys import Keys
from superres.quantization.settings import Adaround, Bias, Mixed, Pow2Search, Qat


@dataclass(frozen=True)
class Step:
    """Facts about a step for the workflow.

    `settings` are its study keys. `images` says whether it reads the images of its calibration, and whether
    these must be photographs. `allowed_before` are the steps that may come before it; None allows any. The
    step that it `needs` comes before it.
    `one_thread` always runs it on one thread. A step with `measured` needs a measurement of the recipe before
    it: that file in the study's folder; one with `observed` what the calibration saw.
    """

    settings: type[Keys] = Keys
    images: Literal["none", "any", "photographs"] = "none"
    allowed_before: tuple[str, ...] | None = None
    allowed_after: tuple[str, ...] | None = None
    needs: str = ""
    one_thread: bool = False
    measured: str = ""
    observed: bool = False


_SAME_FLOAT = ("center", "equalize", "balance", "asymmetric", "pertensor")
# qat is trained towards the float graph, which these steps keep. New scales undo what was fitted to the old
# ones; before powers of two, biases may be: only so are they on the grid of whole numbers too.
_UNFITTED = (*_SAME_FLOAT, "reducerange", "mixed")
# All scales are powers of two: only what keeps them may follow.
_POW2, _AFTER_POW2 = ("pow2", "pow2search"), ("bias", "adaround")

STEPS: Mapping[str, Step] = {
    "center": Step(allowed_before=_UNFITTED),
    "asymmetric": Step(allowed_before=_UNFITTED),
    "pertensor": Step(allowed_before=_UNFITTED),
    "reducerange": Step(allowed_before=_SAME_FLOAT),
    "equalize": Step(images="any", allowed_before=(), observed=True),
    "balance": Step(images="any", allowed_before=(), observed=True),
    "bias": Step(Bias, "any", (*_UNFITTED, *_POW2)),
    "adaround": Step(Adaround, "any", (*_UNFITTED, *_POW2, "bias")),
    "qat": Step(Qat, "photographs", (*_SAME_FLOAT, "reducerange"), one_thread=True),
    "pow2": Step(allowed_before=(*_SAME_FLOAT, "bias"), allowed_after=_AFTER_POW2),
    "pow2search": Step(Pow2Search, "any", (*_SAME_FLOAT, "bias"), _AFTER_POW2),
    "anchor": Step(allowed_after=("mixed",), needs="asymmetric"),
    "mixed": Step(Mixed, "photographs", measured="frontier/{model}/{recipe}.csv"),
}
"""Every step of recipes; each is a module of superres.quantization.steps, documented there."""


@dataclass(frozen=True)
class Recipe:
    """A calibration by name, and the steps after it in order: `minmax`, `entropy+bias`."""

    calibration: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.calibration, *self.steps))

    def before(self, step: str) -> str:
        """Return the recipe before one of its steps, as text."""
        return str(Recipe(self.calibration, self.steps[: self.steps.index(step)]))


def parse_recipe(text: str) -> Recipe:
    """Return the recipe in a text such as `entropy+bias`.

    Raises UserError for a step that doesn't exist, comes twice or too late, or lacks one before it.
    """
    calibration, *steps = text.split("+")
    for step in steps:
        if step not in STEPS:
            raise UserError(f"expected steps among {', '.join(STEPS)} after a +, found {step!r} in {text!r}")
        if steps.count(step) > 1:
            raise UserError(f"expected each step once, found {step} {steps.count(step)} times in {text!r}")
    for i, step in enumerate(steps):
        if (needed := STEPS[step].needs) and needed not in steps[:i]:
            raise UserError(f"expected the step {needed} before the step {step}, found none in {text!r}")
        for before in steps[:i]:
            allowed = STEPS[step].allowed_before
            if allowed is not None and before not in allowed:
                raise UserError(
                    f"expected nothing{_but(allowed)} before the step {step}, found {before} in {text!r}"
                )
        for after in steps[i + 1 :]:
            allowed = STEPS[step].allowed_after
            if allowed is not None and after not in allowed:
                raise UserError(
                    f"expected nothing{_but(allowed)} after the step {step}, found {after} in {text!r}"
                )
    return Recipe(calibration, tuple(steps))


def _but(allowed: Sequence[str]) -> str:
    return f" but {', '.join(allowed)}" if allowed else ""
