"""Keys of INT8: calibrations, recipes, the settings of their steps, and what is to be known of layers."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, ValidationInfo, model_validator

from superres.device.base.errors import UserError
from superres.keys import Count, Keys, ManyOnce, Maybe, Pixels, Seed, SomeOnce, Whole, mistake
from superres.quantization.recipes import Recipe, parse_recipe
from superres.quantization.tools.presets import TOOLS
from superres.study.keys.data import Downsampling

RecipeText = Annotated[str, Field(pattern=r"^[a-z0-9]+(\+[a-z0-9]+)*$")]
Executor = Literal["onnxruntime", "openvino"]

# What each method of calibration is told.
METHOD_KEYS: dict[str, tuple[str, ...]] = {
    "minmax": ("data",),
    "entropy": ("data",),
    "percentile": ("data", "percentile"),
    "mse": ("data",),
    "fixed": ("input_range", "output_range"),
    "cache": ("path",),
    "onnxruntime": ("data", "preset"),
    "nncf": ("data", "preset", "optional"),
}


class RandomData(Keys):
    """Tensors of random values."""

    type: Literal["random"]
    kind: Literal["uniform", "normal", "ones"] = Field(
        "uniform", description="Values of the tensor: uniform over [0, 1), standard normal, or 1 everywhere."
    )
    seed: Seed = Field(0, description="Seed of the random numbers.")
    images: Count = Field(1, description="Number of random tensors.")
    width: Pixels = Field(description="Width of the tensor.")
    height: Pixels = Field(description="Height of the tensor.")


class SetData(Keys):
    """Images of a calibration set."""

    type: Literal["calibration-set"]
    name: str = Field(description="Name of a calibration set of this study.")
    images: Maybe[Count] = Field(
        None, description="How many of its images are used, from the first on; all if left out."
    )


class Calibration(Keys):
    """A way to get INT8 ranges; it makes the precision `int8-{name}`."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9]*$", description="The calibration's name; the precision is int8-NAME."
    )
    method: Literal[
        "minmax", "entropy", "percentile", "mse", "fixed", "cache", "onnxruntime", "nncf"
    ] = Field(
        "minmax",
        description="How ranges are found; see docs/int8-methods.md. From the values seen: minmax takes the largest "
        "magnitude, entropy is TensorRT's, percentile leaves out a share of the values, mse minimises the squared error. "
        "Without images: fixed takes the same range everywhere, cache those of a TensorRT calibration cache. onnxruntime "
        "and nncf are the quantisers of others, which make a Q/DQ graph of their own; no step follows them.",
    )
    percentile: float = Field(
        99.99,
        gt=0,
        le=100,
        description="The percentage of all values that the range of the method percentile holds.",
    )
    input_range: float = Field(
        2.0,
        gt=0,
        le=1_000_000,
        description="Largest magnitude of the graph's input by the method fixed; the default is trtexec's.",
    )
    output_range: float = Field(
        4.0,
        gt=0,
        le=1_000_000,
        description="Largest magnitude of every other tensor by the method fixed; the default is trtexec's.",
    )
    path: Maybe[str] = Field(None, description="The TensorRT calibration cache that the method cache replays.")
    preset: Literal["default", "tensorrt", "mixed"] = Field(
        "default",
        description="Settings of others' quantisers. default is the tool's own; tensorrt (onnxruntime) is symmetric and "
        "per channel, mixed (nncf) has asymmetric activations.",
    )
    optional: bool = Field(
        False,
        description="If true and the package of the method nncf isn't installed, the study goes on without this "
        "calibration, and says so at the start and in the notes of its tables.",
    )
    data: Maybe[Annotated[RandomData | SetData, Discriminator("type")]] = Field(
        None,
        description="What the FP32 graph is fed with while its activations are observed; fixed and cache have none. "
        "Calibrations with the same data share one pass.",
    )

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        keys = METHOD_KEYS[self.method]
        if surplus := sorted(self.model_fields_set - {"name", "method", *keys}):
            raise mistake(
                f"expected no such key for the method {self.method}, which has {', '.join(keys)}; take it out, or "
                "correct the method",
                surplus[0],
            )
        if missing := [key for key in keys if getattr(self, key) is None]:
            raise mistake(f"expected {missing[0]} beside the method {self.method}, found none")
        if self.tool and self.preset not in TOOLS[self.tool].presets:
            expected = " or ".join(TOOLS[self.tool].presets)
            raise mistake(f"expected {expected} for {self.method}, found {self.preset}", "preset")
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """What the method is told besides its images."""
        return {key: getattr(self, key) for key in METHOD_KEYS[self.method] if key != "data"}

    @property
    def facts(self) -> dict[str, Any]:
        """What decides over its ranges: name, method, images (None without), and what the method is told besides."""
        data = None if self.data is None else self.data.model_dump(exclude_none=True)
        return {"name": self.name, "method": self.method, "data": data, "settings": self.settings}

    @property
    def tool(self) -> str | None:
        """The quantiser of others that makes the whole graph; None where this pipeline does."""
        return self.method if self.method in TOOLS else None

    @property
    def calibration_set(self) -> str | None:
        """Name of the calibration set that is used, None for random data and without images."""
        return self.data.name if isinstance(self.data, SetData) else None

    @property
    def observed(self) -> str | None:
        """Name of the images that the FP32 graph is fed with, the same for all calibrations that share a pass.

        How many of them a calibration uses doesn't matter. Random tensors have a hyphen in theirs, which no
        calibration set can have. None without images, and for tools, which look at images themselves.
        """
        if self.data is None or self.tool is not None:
            return None
        if isinstance(self.data, SetData):
            return self.data.name
        return f"random-{self.data.kind}-{self.data.seed}-{self.data.width}x{self.data.height}"

    def is_same(self, other: "Calibration") -> bool:
        """Whether another calibration differs in nothing but its name."""
        return self == other.model_copy(update={"name": self.name})

    def on(self, images: int) -> "Calibration":
        """The calibration on another number of images, by the name that a sweep gives it."""
        assert self.data is not None
        data = self.data.model_copy(update={"images": images})
        return self.model_copy(update={"name": f"{self.name}of{images}", "data": data})


@dataclass(frozen=True)
class Quantization:
    """What an INT8 precision stands for: a recipe, and the layers whose convolutions stay in float."""

    recipe: Recipe
    float_layers: tuple[str, ...] = ()


class NamedRecipe(Keys):
    """A name for a recipe."""

    name: str = Field(
        pattern=r"^[a-z0-9]+$", description="The precision is int8-NAME; no calibration has the same name."
    )
    recipe: RecipeText = Field(
        description="A calibration and the steps behind it, each after a +, in the order in which they are taken: "
        "minmax+center. See docs/int8-methods.md."
    )
    float_layers: ManyOnce[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]] = Field(
        (), description="Layers whose convolutions stay in float, by name, such as conv1."
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
        """What the name stands for."""
        return Quantization(parse_recipe(named.recipe), named.float_layers)


class Bias(Keys):
    """Bias correction."""

    images: Count = Field(
        10, description="How many of the calibration's images are looked at, from the first on."
    )


class Adaround(Keys):
    """Rounding of weights by its effect on a layer's output."""

    images: Count = Field(
        10, description="How many of the calibration's images are looked at, from the first on."
    )
    pixels: Annotated[Whole, Field(ge=100, le=100_000)] = Field(
        4000, description="At how many random pixels of each image a layer's output is compared."
    )
    seed: Seed = Field(0, description="Seed of the choice of pixels.")


class Qat(Keys):
    """Fine-tuning with the rounding of INT8 in the network, towards what the float network gives."""

    steps: Count = Field(2000, description="Number of optimiser steps (Adam).")
    batch: Count = Field(4, description="Patches a step.")
    patch: Annotated[Whole, Field(ge=8)] = Field(
        48, description="Width and height of a patch of the calibration's photographs, in pixels."
    )
    learning_rate: float = Field(0.0002, gt=0, description="Peak learning rate of weights and biases.")
    range_learning_rate: float = Field(
        0.01,
        ge=0,
        description="Peak learning rate of the logarithms of ranges; 0 keeps them as they were calibrated.",
    )
    seed: Seed = Field(0, description="Seed of the choice of patches.")


class Pow2Search(Keys):
    """Power-of-two scales by search."""

    images: Count = Field(
        4, description="On how many of the calibration's images pictures are compared, from the first on."
    )
    sweeps: Count = Field(
        8, description="How often, at most, every number of fraction bits is tried one higher and one lower."
    )


class Mixed(Keys):
    """The cheapest layers stay in float that bring the loss within a budget."""

    budget_db: float = Field(
        0.05,
        gt=0,
        description="PSNR that may be lost against FP32 on the calibration's photographs, each taken as HR.",
    )
    runtime: Executor = Field(
        "openvino", description="What executes the graphs whose loss and time decide."
    )
    downsampling: Downsampling = Field("bicubic", description="Kernel that makes the photographs' LR twins.")


class Steps(Keys):
    """Settings of the steps of recipes."""

    bias: Bias = Bias()
    adaround: Adaround = Adaround()
    qat: Qat = Qat()
    pow2search: Pow2Search = Pow2Search()
    mixed: Mixed = Mixed()

    def of(self, step: str) -> dict[str, Any]:
        """Settings of a step; none for one that has no settings."""
        settings = getattr(self, step, None)
        return {} if settings is None else settings.model_dump()


class Sweep(Keys):
    """Calibrations on further numbers of images."""

    calibrations: ManyOnce[str] = Field((), description="Names of calibrations with images.")
    images: ManyOnce[Count] = Field((), description="Numbers of images.")
    runtime: str = Field(
        "openvino", description="The runtime that runs them; its precisions name each int8-NAME."
    )


class Sensitivity(Keys):
    """Models whose layers' sensitivity is measured, and what stands behind `int8-` there."""

    recipe: RecipeText = Field(
        description="What stands behind int8- in the precision of some arms, such as mse."
    )
    runtime: Executor = Field("openvino", description="What executes the graphs.")
    frames: Maybe[Count] = Field(
        None,
        description="How many frames of each clip, evenly spread; all by default. A model with 3 layers takes 23 graphs.",
    )
    models: SomeOnce[str] = Field(
        (), description="Models that are measured; by default all that the runtime runs in that precision."
    )

