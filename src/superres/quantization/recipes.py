"""Recipes: a calibration, and the steps that follow it. Light on purpose: the workflow imports it."""

from dataclasses import dataclass

from superres.device.errors import UserError

STEPS = {
    "center": "int8 that holds the 256 levels of a frame",
    "asymmetric": "uint8 activations",
    "pertensor": "one scale for all weights of a convolution",
    "pow2": "power-of-two scales by range: fixed point",
    "pow2search": "power-of-two scales by search for the least error of the picture",
}
"""Every step with what it gives; each is a module of superres.quantization.steps."""

NEED_IMAGES: tuple[str, ...] = ("pow2search",)
"""Steps that look at the images of their calibration."""

LAST = ("pow2", "pow2search")
"""Steps that no other follows: it would take biases or scales off the grid that they are put on."""


@dataclass(frozen=True)
class Recipe:
    """A calibration by name, and steps in the order in which they are taken: `minmax`, `entropy+bias`."""

    calibration: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((self.calibration, *self.steps))


def parse_recipe(text: str) -> Recipe:
    """The recipe in a text such as `entropy+bias`.

    Raises UserError for a step that doesn't exist or comes twice, and for one behind a step of LAST.
    """
    calibration, *steps = text.split("+")
    for step in steps:
        if step not in STEPS:
            raise UserError(f"expected steps among {', '.join(STEPS)} behind a +, found {step!r} in {text!r}")
        if steps.count(step) > 1:
            raise UserError(f"expected each step once, found {step} {steps.count(step)} times in {text!r}")
    for step in steps[:-1]:
        if step in LAST:
            raise UserError(f"expected {step} as the last step, found another behind it in {text!r}")
    return Recipe(calibration, tuple(steps))
