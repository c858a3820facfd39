"""Keys of INT8: recipes, settings of their steps, sweeps, and the sensitivity of layers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, create_model, model_validator

from superres.device.base.errors import UserError
from superres.keys import Count, Keys, ManyOnce, Maybe, SomeOnce, mistake
from superres.quantization.recipes import STEPS, Recipe, Step, parse_recipe
from superres.quantization.settings import Mixed
from superres.study.keys.data import Downsampling

RecipeText = Annotated[str, Field(pattern=r"^[a-z0-9]+(\+[a-z0-9]+)*$", max_length=200)]
Executor = Literal["onnxruntime", "openvino"]


@dataclass(frozen=True)
class Quantization:
    """The quantisation of an INT8 precision: a recipe, and layers whose convolutions stay in float."""

    recipe: Recipe
    float_layers: tuple[str, ...] = ()


class NamedRecipe(Keys):
    """A name for a recipe."""

    name: str = Field(
        pattern=r"^[a-z0-9]+$",
        max_length=100,
        description="NAME of the precision int8-NAME. No calibration may have the same name.",
    )
    recipe: RecipeText = Field(
        description="A calibration and its steps in order, each after a +: minmax+center. See "
        "docs/int8-methods.md."
    )
    float_layers: ManyOnce[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]+$")]] = Field(
        default=(),
        description="Layers that stay in float, by name, such as conv1 or body.0; "
        "onnx/{model}/int8-NAME.json lists them.",
    )

    @model_validator(mode="after")
    def _check_steps(self) -> Self:
        try:
            parse_recipe(self.recipe)
        except UserError as error:
            raise mistake(str(error), "recipe") from error
        return self

    @staticmethod
    def quantization(named: "NamedRecipe", _: ValidationInfo) -> Quantization:
        """Return the quantisation of the name."""
        return Quantization(parse_recipe(named.recipe), named.float_layers)


class _Mixed(Mixed):
    """The cheapest layers stay in float that keep the loss within a budget."""

    downsampling: Downsampling = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        default="bicubic", description="Kernel that makes the photographs' LR twins."
    )


class StepsOfRecipes(Keys):
    """Settings of the steps of recipes."""

    def of(self, step: str) -> dict[str, Any]:
        """Return the settings of a step; empty for a step without settings."""
        settings = getattr(self, step, None)
        return {} if settings is None else settings.model_dump()


def _settings(step: Step) -> type[Keys]:
    return _Mixed if step.settings is Mixed else step.settings


_WITH_SETTINGS: dict[str, Any] = {
    name: (_settings(step), _settings(step)()) for name, step in STEPS.items() if step.settings is not Keys
}

if TYPE_CHECKING:
    Steps = StepsOfRecipes
else:
    Steps = create_model("Steps", __base__=StepsOfRecipes, __doc__=StepsOfRecipes.__doc__, **_WITH_SETTINGS)


class Sweep(Keys):
    """Calibrations on more numbers of images."""

    calibrations: ManyOnce[str] = Field(default=(), description="Names of calibrations with images.")
    images: ManyOnce[Count] = Field(default=(), description="Numbers of images.")
    runtime: str = Field(
        default="openvino",
        description="The runtime that runs them. Its precisions must include each int8-NAME.",
    )


class Sensitivity(Keys):
    """Models whose layers' sensitivity is measured, and in which INT8 precision."""

    recipe: RecipeText = Field(description="The name after int8- in the precision of some arms, such as mse.")
    runtime: Executor = Field(default="openvino", description="The runtime that executes the graphs.")
    frames: Maybe[Count] = Field(
        default=None,
        description="Number of frames of each clip, evenly spread; all by default. A model with 3 layers "
        "takes 23 graphs.",
    )
    models: SomeOnce[str] = Field(
        default=(),
        description="Models to measure; by default all that the runtime runs in that precision.",
    )
