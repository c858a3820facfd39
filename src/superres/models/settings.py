"""What a study can set about a network and its training.

Light on purpose: the workflow may import it without torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from superres.device.base.errors import UserError

ChromaUpsampling = Literal["bicubic", "bilinear", "nearest"]


@dataclass(frozen=True)
class ModelFacts:
    """What the table and the workflow have to know of a built-in model.

    `label` is how the paper writes it. A model with `folded_from` is that model with the same weights, folded; it is
    never trained itself. `ends_in_blocks` says whether its graph ends in DepthToSpace and a clip, so that the last
    step from blocks of pixels to a frame can be left to the runtime (`superres.models.graphs.uint8.blocks`).
    """

    label: str
    folded_from: str | None = None
    ends_in_blocks: bool = False


MODELS: dict[str, ModelFacts] = {
    "espcn_rgb": ModelFacts("ESPCN_RGB", ends_in_blocks=True),
    "espcn_ycbcr": ModelFacts("ESPCN_YCbCr"),
    "espcn_ycbcr_folded": ModelFacts("ESPCN_YCbCr folded", folded_from="espcn_ycbcr", ends_in_blocks=True),
    "espcn_anchor": ModelFacts("ESPCN anchor", ends_in_blocks=True),
    "bicubic": ModelFacts("Bicubic"),
}
"""Every built-in model, in the order of the table; `bicubic` is the baseline and has no network."""

FOLDED_FROM = {name: facts.folded_from for name, facts in MODELS.items() if facts.folded_from}
"""Models that are another model with the same weights, folded."""


ENDS_IN_BLOCKS = frozenset(name for name, facts in MODELS.items() if facts.ends_in_blocks)
"""Models that end in DepthToSpace and a clip."""


def weights_name(model: str) -> str:
    """The model whose weights a model has: its own, or those that it is folded from."""
    return FOLDED_FROM.get(model, model)


@dataclass(frozen=True)
class NetworkSettings:
    """What the paper leaves open about a network's structure.

    `chroma_upsampling` is how `espcn_ycbcr` doubles its two chroma channels; other models ignore it.
    """

    chroma_upsampling: ChromaUpsampling = "bicubic"


@dataclass(frozen=True)
class TrainingSettings:
    """Every hyperparameter of a training; the same settings, data, code and processor give the same weights.

    A step draws one of the `patches`' sizes (in LR pixels) at random, and `batch` patches of the smallest size
    or as many larger ones as have the same number of pixels. The optimizer is SOAP, whose bases are brought up to date
    every `precondition_every` steps. The learning rate rises linearly over `warmup_steps`, then follows a cosine
    down to `final_lr_fraction` of its peak (Loshchilov and Hutter, arXiv:1608.03983). The loss is L1 for
    the first `l1_steps` steps, mean squared error after. `int8_noise` is how much noise the convolutions feel, in
    steps of symmetric INT8 (see `superres.models.training.noisy`). `ema_decay` is that of the averaged weights, which
    are validated and kept. Steps are counted from 1; `log_every`, `validate_every` and `checkpoint_every`
    are in steps. `threads` is the number of torch's threads: the last bits of the weights depend on it, and
    with more than one, torch itself now and then adds in another order (seen in one of eight runs with 2),
    so only trainings with one thread come out equal to the bit, every time.
    Raises UserError for a value outside its range.
    """

    steps: int = 40_000
    batch: int = 16
    patches: Sequence[int] = (32,)
    learning_rate: float = 3e-3
    precondition_every: int = 25
    warmup_steps: int = 500
    final_lr_fraction: float = 0.01
    l1_steps: int = 0
    int8_noise: float = 1.0
    ema_decay: float = 0.999
    seed: int = 0
    log_every: int = 100
    checkpoint_every: int = 500
    validate_every: int = 1_000
    threads: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "patches", tuple(self.patches))
        if not self.patches:
            raise UserError("training: patches: expected at least one size, found none")
        counts = ("steps", "batch", "patches", "precondition_every", "threads")
        counts += ("log_every", "checkpoint_every", "validate_every")
        for field in fields(self):
            value = getattr(self, field.name)
            low = 1 if field.name in counts else 0
            for number in value if isinstance(value, tuple) else (value,):
                if not low <= number < float("inf"):
                    raise UserError(
                        f"training: {field.name}: expected a finite number from {low} up, found {number}"
                    )
        if self.ema_decay >= 1 or self.final_lr_fraction > 1:
            raise UserError(
                "training: expected ema_decay below 1 and final_lr_fraction at most 1, "
                f"found {self.ema_decay} and {self.final_lr_fraction}"
            )
