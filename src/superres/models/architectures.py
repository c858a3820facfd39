"""Architectures: networks as lists of their layers, which a study writes as keys.

All kinds have one form: convolutions with an activation between each two, then DepthToSpace. Their result is
added to an anchor, an interpolation of the frame that stays in float in INT8. Light: dry runs import it.
"""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from superres.device.base.conventions import DEFAULT_SCALE
from superres.keys import Index, Keys, Numeral, Pair, Scale, Whole, mistake

PLANES = {"luma": 1, "rgb": 3}

ARCHITECTURE = "superres.architecture"
"""The entry of a weights file that has the architecture, as JSON. Files of others lack it."""

UNSEEN = ("activation", "anchor")
"""Keys of an architecture that the shapes of its tensors don't show."""

Kernel = Annotated[Literal[1, 3, 5, 7, 9], Numeral]
Channels = Annotated[Whole, Field(ge=1, le=1024)]


class Layer(NamedTuple):
    """A convolution: width and height of its kernel, channels in and out, stride."""

    kernel: int
    inputs: int
    outputs: int
    stride: int = 1

    @property
    def multiply_adds(self) -> int:
        """The number of its weights, each of which is used once for each of its output pixels."""
        return self.kernel**2 * self.inputs * self.outputs


class _Architecture(Keys):
    """What all kinds have in common; `inner` and `outer` are what they differ in."""

    colour: Literal["luma", "rgb"] = Field(
        default="luma",
        description="What the convolutions read and write. With luma, colour is interpolated (bicubic, "
        "a = -0.5).",
    )
    anchor: Literal["bicubic", "nearest", "none"] = Field(
        default="bicubic",
        description="Interpolation of the frame that the network's output is added to; bicubic has a = -0.5. "
        "It stays in float unless a recipe has the step anchor. With none, the convolutions carry the image "
        "itself.",
    )
    activation: Literal["relu", "prelu", "hardtanh"] = Field(
        default="relu",
        description="Function between two convolutions. hardtanh limits to [0, 1]: all ranges are known "
        "beforehand. prelu has a slope for each channel, and is for float.",
    )
    scale: Scale = Field(
        default=DEFAULT_SCALE, description="How many times as wide and high as the frame the output is."
    )

    @property
    def inner(self) -> tuple[tuple[int, int], ...]:
        """Kernel and output channels of each convolution but the last."""
        raise NotImplementedError

    @property
    def outer(self) -> int:
        """Kernel of the last convolution."""
        raise NotImplementedError

    @property
    def block(self) -> int:
        """Width and height of the blocks of pixels that the first convolution reads as one pixel."""
        return 1

    @property
    def planes(self) -> int:
        """Planes that the trained convolutions read and write: 1 for luma, 3 for RGB."""
        return PLANES[self.colour]

    def convolutions(self, planes: int) -> tuple[Layer, ...]:
        """Return the convolutions of the network on so many planes.

        The first reads blocks of pixels by a stride: that equals a convolution of channels that blocks were
        rearranged into (space to depth).
        """
        found: list[Layer] = []
        inputs = planes
        for kernel, outputs in self.inner:
            stride = 1 if found else self.block
            found.append(Layer(kernel * stride, inputs, outputs, stride))
            inputs = outputs
        return (*found, Layer(self.outer, inputs, planes * (self.scale * self.block) ** 2))

    @property
    def multiply_adds(self) -> float:
        """Multiply-adds of the trained convolutions for each pixel of the frame."""
        return sum(layer.multiply_adds for layer in self.convolutions(self.planes)) / self.block**2

    @property
    def parameters(self) -> int:
        """Weights and biases of the trained convolutions, and slopes of PReLU."""
        layers = self.convolutions(self.planes)
        slopes = sum(layer.outputs for layer in layers[:-1]) if self.activation == "prelu" else 0
        return sum(layer.multiply_adds + layer.outputs for layer in layers) + slopes


class Plain(_Architecture):
    """Convolutions of one width, as ECBSR, SESR, ABPN, QuickSRNet and SRVGG are when they are deployed."""

    kind: Literal["plain"] = "plain"
    channels: Channels = Field(description="Output channels of every convolution but the last.")
    layers: Index = Field(
        le=64,
        description="Convolutions between the first and the last: 4 for ECBSR-M4, 2 for QuickSRNet-S.",
    )
    first_kernel: Kernel = Field(default=3, description="Width and height of the first kernel.")
    last_kernel: Kernel = Field(default=3, description="Width and height of the last kernel.")
    unshuffle: Annotated[Literal[1, 2], Numeral] = Field(
        default=1,
        description="With 2, the convolutions work on blocks of 2 x 2 pixels: at half of the frame's width "
        "and height. A frame of odd size is padded with zeros, and the result is cropped.",
    )

    @property
    def inner(self) -> tuple[tuple[int, int], ...]:
        """Kernel and output channels of each convolution but the last."""
        return ((self.first_kernel, self.channels), *((3, self.channels),) * self.layers)

    @property
    def outer(self) -> int:
        """Kernel of the last convolution."""
        return self.last_kernel

    @property
    def block(self) -> int:
        """Width and height of the blocks of pixels that the first convolution reads as one pixel."""
        return self.unshuffle

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unshuffle > 1 and self.anchor == "none":
            raise mistake(
                "expected anchor bicubic or nearest with unshuffle 2, found none: blocks can't carry the "
                "image",
                "anchor",
            )
        return self


class Espcn(_Architecture):
    """The three convolutions of ESPCN (Shi et al., CVPR 2016): 5x5, 3x3 and 3x3."""

    kind: Literal["espcn"] = "espcn"
    channels: Pair[Channels] = Field(
        description="Output channels of the first two convolutions: [64, 32] in ESPCN."
    )

    @property
    def inner(self) -> tuple[tuple[int, int], ...]:
        """Kernel and output channels of each convolution but the last."""
        return (5, self.channels[0]), (3, self.channels[1])

    @property
    def outer(self) -> int:
        """Kernel of the last convolution."""
        return 3


class Fsrcnn(_Architecture):
    """FSRCNN (Dong et al., ECCV 2016), whose 9x9 deconvolution becomes a 5x5 convolution, DepthToSpace.

    At scale 1 it stays a 9x9 convolution.
    """

    kind: Literal["fsrcnn"] = "fsrcnn"
    channels: Pair[Channels] = Field(
        default=(56, 12),
        description="Channels of the outer convolutions and of those between the two 1x1 convolutions: d and "
        "s of the paper.",
    )
    layers: Index = Field(
        default=4, le=64, description="3x3 convolutions between the two 1x1 convolutions: m of the paper."
    )

    @property
    def inner(self) -> tuple[tuple[int, int], ...]:
        """Kernel and output channels of each convolution but the last."""
        wide, narrow = self.channels
        return (5, wide), (1, narrow), *((3, narrow),) * self.layers, (1, wide)

    @property
    def outer(self) -> int:
        """Kernel of the last convolution."""
        return 5 if self.scale > 1 else 9


Architecture = Annotated[Plain | Espcn | Fsrcnn, Field(discriminator="kind")]
"""A network by its layers; `kind` decides the other keys."""
