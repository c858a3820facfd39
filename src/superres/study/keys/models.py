"""Keys of models: which networks are compared, and how they are trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from superres.keys import Count, Index, Keys, OneOf, Seed, SomeOnce, Whole, mistake
from superres.models.settings import FOLDED_FROM, MODELS, ChromaUpsampling

BASELINE = "bicubic"
"""Bicubic upsampling is no network: it has no ONNX file, and only OpenCV runs it, on uint8 frames."""

TRAINING_ROLES = ("training_set", "validation_set")


class Training(Keys):
    """How models with `weights: train` are trained."""

    training_set: str = Field(
        "training", description="Name of the training set that patches are drawn from."
    )
    validation_set: str = Field(
        "validation", description="Name of the training set that validation PSNR is measured on."
    )
    steps: Count = Field(40_000, description="Number of optimiser steps.")
    batch: Count = Field(
        16,
        description="Patches a step, of the smallest size; of a larger one as many as have the same number of pixels.",
    )
    patches: SomeOnce[Annotated[Whole, Field(ge=8)]] = Field(
        (32,), description="Width and height of patches in LR pixels; each step draws one of these sizes."
    )
    learning_rate: float = Field(0.003, gt=0, description="Peak learning rate of the optimizer (SOAP).")
    precondition_every: Count = Field(
        25, description="Steps after which the optimizer brings the bases that it works in up to date."
    )
    warmup_steps: Index = Field(500, description="Steps in which the learning rate rises to its peak.")
    final_lr_fraction: float = Field(
        0.01, ge=0, le=1, description="Where the cosine ends, as a fraction of the peak."
    )
    l1_steps: Index = Field(0, description="Steps with L1 as loss, before mean squared error.")
    int8_noise: float = Field(
        1.0,
        ge=0,
        description="Noise that the convolutions feel while they are trained, in steps of symmetric INT8: 1 is as wide as "
        "INT8's own rounding, and leaves a network that INT8 hurts less; 0 is none.",
    )
    ema_decay: float = Field(
        0.999, ge=0, lt=1, description="Decay of the averaged weights, which are the ones that are kept."
    )
    seed: Seed = Field(0, description="Seed of the initial weights and of the patches.")
    log_every: Count = Field(100, description="Steps between two rows of the loss in the log.")
    checkpoint_every: Count = Field(500, description="Steps between two checkpoints.")
    validate_every: Count = Field(1000, description="Steps between two validations.")
    threads: Count = Field(
        1,
        description="torch's threads. With 1 the same training gives the same bits; models are then trained side by side.",
    )

    def but(self, other: "Training") -> "Training":
        """These settings with those that another one has written."""
        return self.model_copy(update={key: getattr(other, key) for key in other.model_fields_set})


class Model(Keys):
    """An architecture and where its weights come from."""

    name: Annotated[str, OneOf(lambda: MODELS)] = Field(
        description="An architecture of this package. espcn_ycbcr_folded is espcn_ycbcr in convolutions alone: it has no "
        "weights of its own, and takes everything from espcn_ycbcr."
    )
    weights: Literal["pretrained", "train"] = Field(
        "pretrained",
        description="pretrained takes the weights that come with the package, train trains them in this study.",
    )
    training: Training = Field(
        Training(), description="What is different for this model from the study's `training`."
    )
    chroma_upsampling: ChromaUpsampling = Field(
        "bicubic",
        description="How espcn_ycbcr doubles its chroma channels, which the paper leaves open; others ignore it.",
    )
    kernel: Literal["opencv", "matlab"] = Field(
        "opencv",
        description="How the model bicubic interpolates; no other has it. opencv is cv2.resize (a = -0.75, borders "
        "repeated, fixed point), matlab is imresize (a = -0.5, borders mirrored, rounded once), which the literature "
        "compares with.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name != BASELINE and self.kernel != "opencv":
            raise mistake(f"expected it with the model {BASELINE} only, found it with {self.name}", "kernel")
        origin = FOLDED_FROM.get(self.name)
        if origin is not None and (surplus := sorted(self.model_fields_set - {"name"})):
            raise mistake(
                f"expected no such key for {self.name}: it is {origin} folded, with the weights and settings of that; "
                "write it there",
                surplus[0],
            )
        return self
