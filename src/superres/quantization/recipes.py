"""Recipes: a calibration, and the steps that follow it. Light on purpose: the workflow imports it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from superres.device.base.errors import UserError
from superres.keys import Keys
from superres.quantization.settings import Adaround, Bias, Mixed, Pow2Search, Qat


@dataclass(frozen=True)
class Step:
    """What the workflow has to know of a step.

    `gives` says what it does. `settings` are what a study can set about it. `images` says whether it looks at
    the images of its calibration, and whether these must be photographs. `behind` are the steps that may come
    before it; None allows any. `one_thread` runs it on one thread, whatever there is. A step with `measured`
    follows a measurement of what it starts from: that is its file, in the study's folder, for the recipe so
    far. `pow2` makes all scales powers of two; behind it only steps with `keeps_scales` can follow.
    """

    gives: str
    settings: type[Keys] = Keys
    images: Literal["none", "any", "photographs"] = "none"
    behind: tuple[str, ...] | None = None
    one_thread: bool = False
    measured: str = ""
    pow2: bool = False
    keeps_scales: bool = False


_SAME_FLOAT = ("center", "equalize", "asymmetric", "pertensor")
# The aim of qat is what the float graph computes, which these steps leave. A new choice of scales would undo
# what was fitted to the old ones, but for the means of channels.
_BEFORE_SCALES = (*_SAME_FLOAT, "bias")

STEPS: Mapping[str, Step] = {
    "center": Step("int8 that holds the 256 levels of a frame"),
    "asymmetric": Step("uint8 activations"),
    "pertensor": Step("one scale for all weights of a convolution"),
    "equalize": Step(
        "channels scaled so that neighbouring convolutions use their levels equally well", images="any"
    ),
    "bias": Step("biases that take back the mean error of rounding", Bias, "any", keeps_scales=True),
    "adaround": Step(
        "weights rounded by what it does to a layer's output", Adaround, "any", keeps_scales=True
    ),
    "qat": Step(
        "fine-tuning with the rounding of INT8 in the network",
        Qat,
        "photographs",
        _SAME_FLOAT,
        one_thread=True,
    ),
    "pow2": Step("power-of-two scales by range: fixed point", behind=_BEFORE_SCALES, pow2=True),
    "pow2search": Step(
        "power-of-two scales by search for the least error of the picture",
        Pow2Search,
        "any",
        _BEFORE_SCALES,
        pow2=True,
    ),
    "mixed": Step(
        "layers in float within a budget of dB",
        Mixed,
        "photographs",
        measured="frontier/{model}/{recipe}.csv",
    ),
}
"""Every step of recipes; each is a module of superres.quantization.steps."""

NEED_IMAGES = tuple(name for name, step in STEPS.items() if step.images != "none")
NEED_PHOTOGRAPHS = tuple(name for name, step in STEPS.items() if step.images == "photographs")
MEASURED = {name: step.measured for name, step in STEPS.items() if step.measured}


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
    """The recipe in a text such as `entropy+bias`; raises UserError for a step that doesn't exist, comes
    twice or too late."""
    calibration, *steps = text.split("+")
    for step in steps:
        if step not in STEPS:
            raise UserError(f"expected steps among {', '.join(STEPS)} behind a +, found {step!r} in {text!r}")
        if steps.count(step) > 1:
            raise UserError(f"expected each step once, found {step} {steps.count(step)} times in {text!r}")
    for i, step in enumerate(steps):
        for before in steps[:i]:
            allowed = STEPS[step].behind
            if allowed is not None and before not in allowed:
                raise UserError(
                    f"expected nothing but {', '.join(allowed)} before the step {step}, found {before} in "
                    f"{text!r}"
                )
        for after in steps[i + 1 :] if STEPS[step].pow2 else ():
            if not STEPS[after].keeps_scales:
                known = ", ".join(name for name, other in STEPS.items() if other.keeps_scales)
                raise UserError(
                    f"expected nothing but {known} behind the step {step}, found {after} in {text!r}"
                )
    return Recipe(calibration, tuple(steps))
