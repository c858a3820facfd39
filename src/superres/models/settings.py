"""The built-in models, and the study keys of a network and its training.

Light: the workflow imports it without torch.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from superres.device.base.conventions import DEFAULT_SCALE
from superres.keys import Count, Index, Keys, Maybe, OneOf, Seed, SomeOnce, Whole
from superres.models.architectures import Architecture, Espcn, Fsrcnn, Plain

ChromaUpsampling = Literal["bicubic", "bilinear", "nearest"]
Objective = Literal["l1", "mse"]


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a built-in model for the table and the workflow.

    `label` is its name in the table. It is an `architecture`, or `network` is its class in
    `superres.models.networks`. A model with `folded_from` is that model with the same weights, folded; it has
    no network of its own and is never trained. With `ends_in_blocks` its graph ends in DepthToSpace and a
    clip: the runtime can do the last step from blocks to a frame (`superres.models.graphs.uint8.blocks`).
    """

    label: str
    architecture: Architecture | None = None
    network: str | None = None
    folded_from: str | None = None
    ends_in_blocks: bool = True


MODELS: dict[str, ModelFacts] = {
    "espcn_rgb": ModelFacts("ESPCN_RGB", network="EspcnRgb"),
    "espcn_ycbcr": ModelFacts("ESPCN_YCbCr", network="EspcnYcbcr", ends_in_blocks=False),
    "espcn_ycbcr_folded": ModelFacts("ESPCN_YCbCr folded", folded_from="espcn_ycbcr"),
    "espcn_anchor": ModelFacts("ESPCN anchor", Espcn(channels=(96, 48))),
    # The networks to choose from, docs/networks.md; the last number of a name counts hidden convolutions.
    "plain_c8_m4": ModelFacts("C8-M4", Plain(channels=8, layers=4)),
    "plain_c16_m4": ModelFacts("C16-M4", Plain(channels=16, layers=4)),
    "plain_c16_m10": ModelFacts("C16-M10", Plain(channels=16, layers=10)),
    "plain_c32_m4": ModelFacts("C32-M4", Plain(channels=32, layers=4)),
    "plain_c32_m6": ModelFacts("C32-M6", Plain(channels=32, layers=6)),
    "unshuffle_c32_m4": ModelFacts("Unshuffle C32-M4", Plain(channels=32, layers=4, unshuffle=2)),
    "fsrcnn": ModelFacts("FSRCNN", Fsrcnn()),
    "quicksrnet_s": ModelFacts(
        "QuickSRNet-S",
        Plain(channels=32, layers=2, colour="rgb", anchor="none", activation="hardtanh"),
    ),
    "espcn_64_32": ModelFacts("ESPCN 64-32", Espcn(channels=(64, 32))),
    "bicubic": ModelFacts("Bicubic", ends_in_blocks=False),
}
"""Every built-in model, in the order of the table; `bicubic` is the baseline and has no network."""

BASELINE = "bicubic"
"""Bicubic interpolation: no network and no ONNX file; only OpenCV runs it, on uint8 frames."""

_BASELINES = re.compile(rf"{BASELINE}(_x([1-8]))?")

FOLDED_FROM = {name: facts.folded_from for name, facts in MODELS.items() if facts.folded_from}
"""Models that are another model with the same weights, folded."""

TRUNKS: dict[str, Architecture] = {
    "EspcnRgb": Espcn(channels=(96, 48), colour="rgb", anchor="none"),
    "EspcnYcbcr": Espcn(channels=(96, 48), anchor="none"),
}
"""The trained layers of the paper's networks, by their classes."""

OF_PAPER = tuple(name for name, facts in MODELS.items() if facts.network)
"""The paper's two networks, which no architecture describes: colour conversion is a part of them."""

PRETRAINED = Path(__file__).parent / "weights"
"""The folder of the shipped weights, `{model}.safetensors`; their records are `records/{model}.json`."""


def baseline(scale: int) -> str:
    """Return the name of the bicubic baseline at a scale: `bicubic`, `bicubic_x3`."""
    return BASELINE if scale == DEFAULT_SCALE else f"{BASELINE}_x{scale}"


def is_baseline(model: str) -> bool:
    """Return whether a model is the bicubic baseline, at any scale."""
    return _BASELINES.fullmatch(model) is not None


def weights_name(model: str) -> str:
    """Return the model that a model takes its weights from: itself, or the one that it is folded from."""
    return FOLDED_FROM.get(model, model)


def is_shipped(model: str) -> bool:
    """Return whether the package has weights of a model."""
    return (PRETRAINED / f"{model}.safetensors").is_file()


class NetworkSettings(Keys):
    """The structure of a network, where its name doesn't say it."""

    architecture: Maybe[Architecture] = Field(
        default=None,
        description="A network of one's own by its layers, under any name that no model of this package has.",
    )
    network: Maybe[Annotated[str, OneOf(lambda: OF_PAPER)]] = Field(
        default=None,
        description="A network of the paper under another name, to compare several of its weights.",
    )
    chroma_upsampling: ChromaUpsampling = Field(
        default="bicubic",
        description="How espcn_ycbcr enlarges its chroma channels, which the paper leaves open; others "
        "ignore it.",
    )


def architecture_of(model: str, settings: NetworkSettings) -> Architecture | None:
    """Return the architecture of a model; None if it has none, as the paper's networks."""
    facts = MODELS.get(settings.network or weights_name(model))
    return settings.architecture or (facts.architecture if facts is not None else None)


def trunk_of(model: str, settings: NetworkSettings) -> Architecture | None:
    """Return the layers of a model that are trained, also of the paper's networks; None without any."""
    facts = MODELS.get(settings.network or weights_name(model))
    return architecture_of(model, settings) or TRUNKS.get((facts and facts.network) or "")


def trained_on(model: str, settings: NetworkSettings) -> Literal["luma", "rgb"]:
    """Return the colour that a network's convolutions read and write; bicubic has none."""
    trunk = trunk_of(model, settings)
    assert trunk is not None
    return trunk.colour


class Teacher(Keys):
    """A trained network that another one is trained to imitate."""

    model: str = Field(
        description="A model of the study, on the same colours (luma or RGB) and at the "
        "same scale as its pupil."
    )
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of the loss that compares with the teacher's image instead of the photograph.",
    )


class TrainingSettings(Keys):
    """All hyperparameters of a training; the same settings, data, code and processor give the same weights.

    The optimizer is SOAP. The learning rate rises linearly over `warmup_steps`, then follows a cosine down to
    `final_lr_fraction` of its peak (Loshchilov and Hutter, arXiv:1608.03983). `int8_noise` is explained in
    `superres.models.training.noisy`. Steps count from 1. The last bits of the weights depend on `threads`.
    With more than one, torch sometimes adds in another order (seen in one of eight runs with 2): only
    trainings with one thread always give the same bits.
    """

    steps: Count = Field(default=40_000, description="Number of optimiser steps.")
    batch: Count = Field(
        default=16,
        description="Patches a step, of the smallest size; of a larger one fewer, with about as many pixels.",
    )
    patches: SomeOnce[Annotated[Whole, Field(ge=8)]] = Field(
        default=(32,),
        description="Width and height of patches in LR pixels; each step draws one of these sizes.",
    )
    learning_rate: float = Field(
        default=3e-3, gt=0, description="Peak learning rate of the optimizer (SOAP)."
    )
    precondition_every: Count = Field(
        default=25,
        description="Steps between two updates of the optimizer's bases.",
    )
    warmup_steps: Index = Field(
        default=500, description="Steps in which the learning rate rises to its peak."
    )
    final_lr_fraction: float = Field(
        default=0.01, ge=0, le=1, description="Where the cosine ends, as a fraction of the peak."
    )
    l1_steps: Index = Field(default=0, description="Steps with L1 as loss, before mean squared error.")
    expansion: Index = Field(
        default=0,
        description="Channels of the linear layers that widen each convolution in training, such as 64. They "
        "collapse to one kernel at each step, and only that is kept. 0 trains the kernels themselves.",
    )
    int8_noise: float = Field(
        default=1.0,
        ge=0,
        description="Noise on the convolutions in training, in steps of symmetric INT8: 1 is as wide as "
        "INT8's own rounding, and makes a network that loses less in INT8; 0 is none.",
    )
    ema_decay: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Decay of the averaged weights, which are the result.",
    )
    teacher: Maybe[Teacher] = Field(
        default=None, description="A better network, whose images the network is trained on too."
    )
    seed: Seed = Field(default=0, description="Seed of the initial weights and of the patches.")
    log_every: Count = Field(default=100, description="Steps between two rows of the loss in the log.")
    checkpoint_every: Count = Field(default=500, description="Steps between two checkpoints.")
    validate_every: Count = Field(default=1_000, description="Steps between two validations.")
    threads: Count = Field(
        default=1,
        description="torch's threads. With 1, the same training gives the same bits, and models are "
        "trained in parallel.",
    )

    def learning_rate_at(self, step: int) -> float:
        """Return the learning rate of a step (1 to `steps`): linear warm-up, then a cosine down.

        Loshchilov and Hutter, arXiv:1608.03983, Eq. 5, without restarts; the last step has `learning_rate`
        times `final_lr_fraction`.
        """
        if step <= self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        progress = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        cosine = (1 + math.cos(math.pi * progress)) / 2
        floor = self.final_lr_fraction
        return self.learning_rate * (floor + (1 - floor) * cosine)

    def objective_at(self, step: int) -> Objective:
        """Return the objective of a step: `l1` for the first `l1_steps` steps, then `mse`."""
        return "l1" if step <= self.l1_steps else "mse"
