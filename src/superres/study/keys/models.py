"""Keys of models: networks and their training."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from superres.keys import Maybe, Name, mistake
from superres.models.adoption.statements import Adoption, is_quantized
from superres.models.architectures import Plain
from superres.models.settings import (
    BASELINE,
    FOLDED_FROM,
    MODELS,
    NetworkSettings,
    TrainingSettings,
    is_baseline,
    is_shipped,
    weights_name,
)

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


class Model(NetworkSettings, Adoption):
    """A network and the origin of its weights."""

    name: Name = Field(
        description="A network of this package (docs/networks.md), or a name of your own for an "
        "`architecture` or a `network`. bicubic is there once for each scale of the networks: bicubic at x2, "
        "bicubic_x3 and so on at others. espcn_ycbcr_folded is espcn_ycbcr as convolutions only, with the "
        "weights and settings of espcn_ycbcr."
    )
    onnx: Maybe[Annotated[str, Field(min_length=1)]] = Field(
        default=None,
        description="An ONNX file of a network of others, under a name of your own (docs/own-model.md). What "
        "it takes and gives is found, or stated by input, output, scale, layout, colour, range and swing.",
    )
    checkpoint: Maybe[Annotated[str, Field(pattern=r"^.+\.(pth|pt|ckpt|safetensors)$")]] = Field(
        default=None,
        description="A checkpoint of PyTorch with a network that the package spandrel knows by its tensors, "
        "under a name of your own (docs/own-model.md). Otherwise as onnx.",
    )
    weights: Annotated[str, Field(pattern=r"^(pretrained|train|.+\.safetensors)$")] = Field(
        default="pretrained",
        description="pretrained takes the weights of the package, train trains them in this study, and a "
        "path to a .safetensors file takes those.",
    )
    training: Training = Field(
        default=Training(), description="Keys that replace those of the study's `training` for this model."
    )
    kernel: Literal["opencv", "matlab"] = Field(
        default="opencv",
        description="Kernel of the model bicubic only. opencv is cv2.resize (a = -0.75, borders repeated, "
        "fixed point). matlab is imresize (a = -0.5, borders mirrored, rounded once), as in the literature.",
    )

    @property
    def file(self) -> str | None:
        """The file of a network of others: an ONNX graph or a checkpoint; None for other models."""
        return self.onnx if self.onnx is not None else self.checkpoint

    @property
    def is_quantized(self) -> bool:
        """Whether its ONNX file is quantised already; False for any other model."""
        return self.onnx is not None and is_quantized(Path(self.onnx))

    @model_validator(mode="before")
    @classmethod
    def _check_place(cls, keys: Any) -> Any:
        """Refuse keys of an architecture that stand beside it."""
        misplaced = [key for key in Plain.model_fields if key not in cls.model_fields and key in keys]
        if misplaced and isinstance(keys, dict):
            raise mistake("expected it inside architecture, found it beside; move it", misplaced[0])
        return keys

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
        self._check_statements()
        if "training" in self.model_fields_set and self.weights != "train":
            raise mistake(f"expected weights: train next to it, found weights: {self.weights}", "training")
        if self.name in MODELS:
            self._check_built_in()
        else:
            self._check_own()
        return self

    def _check_built_in(self) -> None:
        for key in ("architecture", "network", "onnx", "checkpoint"):
            if getattr(self, key) is not None:
                raise mistake(
                    f"expected a name of its own for a network with the key {key}, found {self.name}, a "
                    "network of this package; rename it",
                    "name",
                )
        shipped = weights_name(self.name)
        if self.weights == "pretrained" and self.name != BASELINE and not is_shipped(shipped):
            raise mistake(
                f"expected train or the path of a .safetensors file, found pretrained: this package has no "
                f"weights of {shipped}",
                "weights",
            )

    def _check_statements(self) -> None:
        """Check the keys of a network of others: they need its file, and the others don't go with it."""
        stated = min({*Adoption.model_fields} & self.model_fields_set, default=None)
        if self.file is None and stated is not None:
            raise mistake(self._place_of(stated), stated)
        unfit = {*NetworkSettings.model_fields, "weights", "training", "kernel"} & self.model_fields_set
        if self.file is not None and unfit:
            key = "onnx" if self.onnx is not None else "checkpoint"
            raise mistake(f"expected no such key next to {key}, which has its weights inside", min(unfit))
        if self.onnx is not None and self.checkpoint is not None:
            raise mistake("expected onnx or checkpoint, found both; leave one out", "checkpoint")

    def _place_of(self, key: str) -> str:
        """Say where a key of a network of others belongs, next to a network of this package or one's own."""
        if self.architecture is not None and key in type(self.architecture).model_fields:
            return "expected it inside architecture, found it beside; move it"
        other = "; a network of another scale needs an architecture with that scale, under a name of its own"
        return "expected it next to onnx or checkpoint, found neither; leave it out" + (
            other if key == "scale" else ""
        )

    def _check_own(self) -> None:
        if is_baseline(self.name):
            raise mistake(
                f"expected another name than {self.name}, the baseline at a scale; write {BASELINE}, which "
                "is there for every scale of the networks",
                "name",
            )
        if self.file is not None:
            return
        if self.architecture is not None and self.network is not None:
            raise mistake("expected architecture or network, found both; take one out", "network")
        if self.architecture is None and self.network is None:
            close = get_close_matches(self.name, MODELS, n=1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise mistake(
                f"expected one of {', '.join(MODELS)}{meant}, or another name with the key "
                f"architecture, network, onnx or checkpoint, found {self.name!r}",
                "name",
            )
        if self.weights == "pretrained":
            raise mistake(
                f"expected train or the path of a .safetensors file for {self.name}, found pretrained",
                "weights",
            )
