"""Recipes: a calibration, and the steps that follow it. Light on purpose: the workflow imports it."""

from dataclasses import dataclass
from itertools import pairwise

from superres.device.errors import UserError

STEPS = {
    "center": "int8 that holds the 256 levels of a frame",
    "asymmetric": "uint8 activations",
    "pertensor": "one scale for all weights of a convolution",
    "equalize": "channels scaled so that neighbouring convolutions use their levels equally well",
    "bias": "biases that take back the mean error of rounding",
    "adaround": "weights rounded by what it does to a layer's output",
    "pow2": "power-of-two scales by range: fixed point",
    "pow2search": "power-of-two scales by search for the least error of the picture",
}
"""Every step with what it gives; each is a module of superres.quantization.steps."""

NEED_IMAGES = ("equalize", "bias", "adaround", "pow2search")
"""Steps that look at the images of their calibration."""

FIXED_POINT = ("pow2", "pow2search")
"""Steps that make all scales powers of two."""

KEEP_SCALES = ("bias", "adaround")
"""Steps that leave all scales as they are: those that can follow FIXED_POINT."""


@dataclass(frozen=True)
class Recipe:
    """A calibration by name, and steps in the order in which they are taken: `minmax`, `entropy+bias`."""

    calibration: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.calibration, *self.steps))


def parse_recipe(text: str) -> Recipe:
    """The recipe in a text such as `entropy+bias`.

    Raises UserError for a step that doesn't exist or comes twice, and for one that would spoil scales of FIXED_POINT.
    """
    calibration, *steps = text.split("+")
    for step in steps:
        if step not in STEPS:
            raise UserError(f"expected steps among {', '.join(STEPS)} behind a +, found {step!r} in {text!r}")
        if steps.count(step) > 1:
            raise UserError(f"expected each step once, found {step} {steps.count(step)} times in {text!r}")
    for first, second in pairwise(steps):
        if first in FIXED_POINT and second not in KEEP_SCALES:
            known = ", ".join(KEEP_SCALES)
            raise UserError(f"expected nothing but {known} behind {first}, found {second} in {text!r}")
    return Recipe(calibration, tuple(steps))
