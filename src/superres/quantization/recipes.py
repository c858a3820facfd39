"""Recipes: a calibration, and the steps that follow it. Light on purpose: the workflow imports it."""

from dataclasses import dataclass

from superres.device.base.errors import UserError

STEPS = {
    "center": "int8 that holds the 256 levels of a frame",
    "asymmetric": "uint8 activations",
    "pertensor": "one scale for all weights of a convolution",
    "equalize": "channels scaled so that neighbouring convolutions use their levels equally well",
    "bias": "biases that take back the mean error of rounding",
    "adaround": "weights rounded by what it does to a layer's output",
    "qat": "fine-tuning with the rounding of INT8 in the network",
    "pow2": "power-of-two scales by range: fixed point",
    "pow2search": "power-of-two scales by search for the least error of the picture",
    "mixed": "layers in float within a budget of dB",
}
"""Every step with what it gives; each is a module of superres.quantization.steps."""

NEED_IMAGES = ("equalize", "bias", "adaround", "qat", "pow2search", "mixed")
"""Steps that look at the images of their calibration."""

NEED_PHOTOGRAPHS = ("qat", "mixed")
"""Steps that these must be photographs for."""

ONE_THREAD = ("qat",)
"""Steps that run on one thread, whatever there is."""

FIXED_POINT = ("pow2", "pow2search")
"""Steps that make all scales powers of two."""

KEEP_SCALES = ("bias", "adaround")
"""Steps that leave all scales as they are: those that can follow FIXED_POINT."""

_SAME_FLOAT = ("center", "equalize", "asymmetric", "pertensor")
BEHIND = {"qat": _SAME_FLOAT, **dict.fromkeys(FIXED_POINT, (*_SAME_FLOAT, "bias"))}
"""What alone may come before a step. The aim of qat is what the float graph computes, which these steps leave; a new
choice of scales would undo what was fitted to the old ones, but for the means of channels."""

MEASURED = {"mixed": "frontier/{model}/{recipe}.csv"}
"""Steps that follow a measurement of what they start from: its file, in the study's folder, for the recipe so far."""


@dataclass(frozen=True)
class Recipe:
    """A calibration by name, and steps in the order in which they are taken: `minmax`, `entropy+bias`."""

    calibration: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.calibration, *self.steps))

    def before(self, step: str) -> str:
        """The recipe up to a step that it has, as text."""
        return str(Recipe(self.calibration, self.steps[: self.steps.index(step)]))


def parse_recipe(text: str) -> Recipe:
    """The recipe in a text such as `entropy+bias`; raises UserError for a step that doesn't exist, comes twice or too late."""
    calibration, *steps = text.split("+")
    for step in steps:
        if step not in STEPS:
            raise UserError(f"expected steps among {', '.join(STEPS)} behind a +, found {step!r} in {text!r}")
        if steps.count(step) > 1:
            raise UserError(f"expected each step once, found {step} {steps.count(step)} times in {text!r}")
    for step, allowed in BEHIND.items():
        for before in steps[: steps.index(step)] if step in steps else ():
            if before not in allowed:
                raise UserError(
                    f"expected nothing but {', '.join(allowed)} before the step {step}, found {before} in {text!r}"
                )
    for step in FIXED_POINT:
        for after in steps[steps.index(step) + 1 :] if step in steps else ():
            if after not in KEEP_SCALES:
                known = ", ".join(KEEP_SCALES)
                raise UserError(
                    f"expected nothing but {known} behind the step {step}, found {after} in {text!r}"
                )
    return Recipe(calibration, tuple(steps))
