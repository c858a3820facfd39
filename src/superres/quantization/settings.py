"""The study keys of calibrations and of the steps after them, and all calibration methods.

Light: the workflow imports it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from superres.keys import Count, Keys, ManyOnce, Maybe, OneOf, Pixels, Seed, Whole, mistake

INSTALL = ".venv/bin/python -m pip install -r envs/others.txt"
"""The command that installs optional packages."""


@dataclass(frozen=True)
class Tool:
    """A quantiser of another project: its package, whether the pipeline needs it anyway, its presets."""

    package: str
    installed: bool
    presets: tuple[str, ...]

    @property
    def is_there(self) -> bool:
        """Whether its package is installed; imports nothing."""
        return self.installed or find_spec(self.package) is not None


@dataclass(frozen=True)
class Method:
    """A calibration method: its keys besides the name, and the tool that runs it, if any."""

    keys: tuple[str, ...]
    tool: Tool | None = None


METHODS: Mapping[str, Method] = {
    "minmax": Method(("data",)),
    "entropy": Method(("data",)),
    "percentile": Method(("data", "percentile")),
    "mse": Method(("data",)),
    "fixed": Method(("input_range", "output_range")),
    "cache": Method(("path",)),
    "onnxruntime": Method(("data", "preset"), Tool("onnxruntime", True, ("default", "tensorrt"))),
    "nncf": Method(("data", "preset", "optional"), Tool("nncf", False, ("default", "mixed"))),
}
"""Calibration methods. One with images is a function of that name in superres.quantization.ranges.methods, a
tool's a module of superres.quantization.tools."""

TOOLS = {name: method.tool for name, method in METHODS.items() if method.tool is not None}
"""The quantisers of other projects, by method."""


class RandomData(Keys):
    """A random tensor, or several."""

    type: Literal["random"]
    kind: Literal["uniform", "normal", "ones"] = Field(
        default="uniform",
        description="Values of the tensor: uniform over [0, 1), standard normal, or 1 everywhere.",
    )
    seed: Seed = Field(default=0, description="Seed of the random numbers.")
    images: Count = Field(default=1, description="Number of random tensors.")
    width: Pixels = Field(description="Width of the tensor.")
    height: Pixels = Field(description="Height of the tensor.")


class SetData(Keys):
    """Images of a calibration set of the study."""

    type: Literal["calibration-set"]
    name: str = Field(description="Name of a calibration set of this study.")
    images: Maybe[Count] = Field(
        default=None, description="Number of its images that are used, from the first on; default: all."
    )


Data = Annotated[RandomData | SetData, Field(discriminator="type")]


class CalibrationSettings(Keys):
    """How ranges are found."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9]*$",
        max_length=100,
        description="The calibration's name; the precision is int8-NAME.",
    )
    method: Annotated[str, OneOf(lambda: METHODS)] = Field(
        default="minmax",
        description="How ranges are found; see docs/int8-methods.md. From activations: minmax takes "
        "the largest magnitude, entropy is TensorRT's, percentile leaves out a share of the values, mse "
        "minimises the squared error. Without images: fixed takes the same range everywhere, cache those "
        "of a TensorRT calibration cache. onnxruntime and nncf are quantisers of other projects with "
        "Q/DQ graphs of their own; no step can follow them.",
    )
    percentile: float = Field(
        default=99.99,
        gt=0,
        le=100,
        description="Percentage of all values within the range of the method percentile.",
    )
    input_range: float = Field(
        default=2.0,
        gt=0,
        le=1_000_000,
        description="Largest magnitude of the graph's input by the method fixed; the default is trtexec's.",
    )
    output_range: float = Field(
        default=4.0,
        gt=0,
        le=1_000_000,
        description="Largest magnitude of every other tensor by the method fixed; the default is trtexec's.",
    )

    @property
    def images(self) -> int | None:
        """The number of observed images that are used; None for all."""
        return None


class Calibration(CalibrationSettings):
    """A way to get INT8 ranges; it makes the precision `int8-{name}`."""

    path: Maybe[str] = Field(default=None, description="TensorRT calibration cache of the method cache.")
    preset: str = Field(
        default="default",
        description="Settings of onnxruntime or nncf. default is the tool's own; tensorrt (onnxruntime) is "
        "symmetric and per channel, mixed (nncf) has asymmetric activations.",
    )
    optional: bool = Field(
        default=False,
        description="If true, this calibration is skipped, with a note at the start and below the tables, "
        "while the package of the method nncf isn't installed.",
    )
    data: Maybe[Data] = Field(
        default=None,
        description="Input of the FP32 graph while its activations are observed; fixed and cache "
        "have none. Calibrations with the same data share one pass.",
    )
    steps: ManyOnce[str] = Field(
        default=(),
        exclude=True,
        description="Steps of every recipe that begins with this calibration: with [asymmetric, adaround], "
        "int8-NAME is what int8-NAME+asymmetric+adaround is without them.",
    )

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        keys, given = METHODS[self.method].keys, self.model_fields_set - {"name", "method", "steps"}
        if surplus := sorted(given - {*keys}):
            raise mistake(
                f"expected no such key for the method {self.method}, which has {', '.join(keys)}; take it "
                "out, or correct the method",
                surplus[0],
            )
        for key in ("data", "path"):
            if key in keys and key not in given:
                raise mistake(f"expected {key} with the method {self.method}, found none")
        if self.tool is not None and self.preset not in TOOLS[self.tool].presets:
            expected = " or ".join(TOOLS[self.tool].presets)
            raise mistake(f"expected {expected} for {self.tool}, found {self.preset}", "preset")
        return self

    @model_serializer(mode="wrap")
    def _of_method(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keep only the keys of its method, which can be read again."""
        kept = {"name", "method", *METHODS[self.method].keys}
        return {key: value for key, value in handler(self).items() if key in kept and value is not None}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its method besides the data."""
        return {key: getattr(self, key) for key in METHODS[self.method].keys if key != "data"}

    @property
    def images(self) -> int | None:
        """The number of observed images that are used; None for all."""
        return None if self.data is None else self.data.images

    @property
    def tool(self) -> str | None:
        """The tool that makes the whole graph; None if this pipeline does."""
        return self.method if self.method in TOOLS else None

    @property
    def calibration_set(self) -> str | None:
        """The name of its calibration set, None for random data and without images."""
        return self.data.name if isinstance(self.data, SetData) else None

    @property
    def observed(self) -> str | None:
        """The name of its images for the FP32 graph; calibrations with the same name share a pass.

        The number of images doesn't matter. Names of random tensors have a hyphen, those of calibration sets
        can't. None without images, and for tools, which read images themselves.
        """
        if self.data is None or self.tool is not None:
            return None
        if isinstance(self.data, SetData):
            return self.data.name
        return f"random-{self.data.kind}-{self.data.seed}-{self.data.width}x{self.data.height}"

    def is_same(self, other: "Calibration") -> bool:
        """Return whether another calibration differs only in its name."""
        return self == other.model_copy(update={"name": self.name})

    def on(self, images: int) -> "Calibration":
        """Return the calibration on another number of images, under its name in a sweep."""
        assert self.data is not None
        data = self.data.model_copy(update={"images": images})
        return self.model_copy(update={"name": f"{self.name}of{images}", "data": data})


class Bias(Keys):
    """Bias correction."""

    images: Count = Field(
        default=10, description="Number of the calibration's images that are used, from the first on."
    )


class Adaround(Keys):
    """Rounding of weights by its effect on a layer's output."""

    images: Count = Field(
        default=10, description="Number of the calibration's images that are used, from the first on."
    )
    pixels: Annotated[Whole, Field(ge=100, le=100_000)] = Field(
        default=4000, description="Random pixels of each image at which a layer's output is compared."
    )
    seed: Seed = Field(default=0, description="Seed of the choice of pixels.")


class Qat(Keys):
    """Fine-tuning with the rounding of INT8 in the network, towards the float network's output."""

    steps: Count = Field(default=2000, description="Number of optimiser steps (Adam).")
    batch: Count = Field(default=16, description="Patches a step. Many small ones train better.")
    patch: Annotated[Whole, Field(ge=8)] = Field(
        default=24, description="Width and height of a patch of the calibration's photographs, in pixels."
    )
    learning_rate: float = Field(
        default=1e-4, gt=0, description="Peak learning rate of weights and biases; a cosine ends it at 0."
    )
    range_learning_rate: float = Field(
        default=1e-2,
        ge=0,
        description="Peak learning rate of the logarithms of ranges; 0 keeps the calibrated ranges.",
    )
    seed: Seed = Field(default=0, description="Seed of the choice of patches.")


class Pow2Search(Keys):
    """Power-of-two scales by search."""

    images: Count = Field(
        default=4,
        description="Number of the calibration's images that are compared, from the first on.",
    )
    sweeps: Count = Field(
        default=8,
        description="Largest number of rounds that try each number of fraction bits one up and one down.",
    )


class Mixed(Keys):
    """The cheapest layers stay in float that keep the loss within a budget."""

    budget_db: float = Field(
        default=0.05,
        gt=0,
        description="Largest loss of PSNR against FP32 on the calibration's photographs, each taken as HR.",
    )
    budget_mse: Maybe[Annotated[float, Field(gt=0)]] = Field(
        default=None,
        description="Largest mean squared error that is added to FP32's there, instead of budget_db.",
    )
    runtime: Literal["onnxruntime", "openvino"] = Field(
        default="openvino", description="Runtime that measures loss and time of the graphs."
    )
    downsampling: str = Field(default="bicubic", description="Kernel that makes the photographs' LR twins.")

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        if self.budget_mse is not None and "budget_db" in self.model_fields_set:
            raise mistake("expected budget_db or budget_mse, found both; take one out")
        return self

    @model_serializer(mode="wrap")
    def _of_budget(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keep only the budget that counts, for records, and so that it can be read again."""
        unused = "budget_mse" if self.budget_mse is None else "budget_db"
        return {key: value for key, value in handler(self).items() if key != unused}

    @property
    def budget(self) -> tuple[str, float]:
        """The column of a frontier that has a budget, and the most that it may be."""
        return ("loss_db", self.budget_db) if self.budget_mse is None else ("added_mse", self.budget_mse)
