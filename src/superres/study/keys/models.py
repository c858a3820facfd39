"""Keys of models: networks and their training."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from superres.keys import OneOf, mistake
from superres.models.settings import FOLDED_FROM, MODELS, NetworkSettings, TrainingSettings

BASELINE = "bicubic"
"""Bicubic upsampling: no network and no ONNX file; only OpenCV runs it, on uint8 frames."""

TRAINING_ROLES = ("training_set", "validation_set")


class Training(TrainingSettings):
    """Training of models with `weights: train`."""

    training_set: str = Field(
        default="training", description="Name of the training set that patches are drawn from."
    )
    validation_set: str = Field(
        default="validation", description="Name of the training set that validation PSNR is measured on."
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a training, without its images."""
        return self.model_dump(exclude={*TRAINING_ROLES})

    def but(self, other: "Training") -> "Training":
        """Return these settings, replaced by those that `other` sets."""
        return self.model_copy(update={key: getattr(other, key) for key in other.model_fields_set})


class Model(NetworkSettings):
    """An architecture and the origin of its weights."""

    name: Annotated[str, OneOf(lambda: MODELS)] = Field(
        description="An architecture of this package. espcn_ycbcr_folded is espcn_ycbcr as convolutions "
        "only, with the weights and settings of espcn_ycbcr."
    )
    weights: Literal["pretrained", "train"] = Field(
        default="pretrained",
        description="pretrained takes the weights of the package, train trains them in this study.",
    )
    training: Training = Field(
        default=Training(), description="Keys that replace those of the study's `training` for this model."
    )
    kernel: Literal["opencv", "matlab"] = Field(
        default="opencv",
        description="Kernel of the model bicubic only. opencv is cv2.resize (a = -0.75, borders repeated, "
        "fixed point). matlab is imresize (a = -0.5, borders mirrored, rounded once), as in the literature.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name != BASELINE and self.kernel != "opencv":
            raise mistake(f"expected it with the model {BASELINE} only, found it with {self.name}", "kernel")
        origin = FOLDED_FROM.get(self.name)
        if origin is not None and (surplus := sorted(self.model_fields_set - {"name"})):
            raise mistake(
                f"expected no such key for {self.name}: it is {origin} folded, with the weights and settings "
                "of that; write it there",
                surplus[0],
            )
        return self
