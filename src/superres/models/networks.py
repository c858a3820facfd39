"""The networks of the paper.

A model is a class with two attributes, and a line in `superres.models.settings.MODELS`:
- `trunk`, the module whose weights are trained;
- `trained_on`, the colour of the trunk's patches: "rgb" (3 channels) or "luma" (1 channel).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.device.base.errors import UserError
from superres.models.operations import (
    SCALE,
    double,
    doubling_kernels,
    rgb_to_luma,
    rgb_to_ycbcr,
    ycbcr_to_rgb,
)
from superres.models.settings import MODELS, ChromaUpsampling, NetworkSettings
from superres.models.training.noisy import NoisyConv2d

IMAGE_GAIN = 4.0


class Espcn(nn.Module):
    """The three convolutions of the paper: 96 and 48 channels, ReLU between, then DepthToSpace.

    N x C x H x W to N x C x 2H x 2W, not clipped. Kernels are 5x5, 3x3, 3x3 as in ESPCN itself (Shi et al.,
    CVPR 2016, section 3.2; the paper does not state them); borders are padded with zeros. DepthToSpace is
    in CRD order: output[c, 2y + i, 2x + j] = input[4c + 2i + j, y, x].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = NoisyConv2d(channels, 96, 5, padding=2)
        self.conv2 = NoisyConv2d(96, 48, 3, padding=1)
        self.conv3 = NoisyConv2d(48, channels * SCALE**2, 3, padding=1)
        self.depth_to_space = nn.PixelShuffle(SCALE)
        self.initialise()

    def initialise(self) -> None:
        """Begin at bilinear interpolation; the other features come from torch's default generator.

        The first features carry the image itself to a bilinear kernel in the last layer (Dirac
        initialisation: Zagoruyko and Komodakis, arXiv:1706.00388). No ReLU changes it: an image is not
        negative. The others are normal with variance 2 / fan-in (He et al., ICCV 2015, equation 10); the
        last layer begins by ignoring them (zero, as in Fixup: Zhang et al., arXiv:1901.09321). Biases are
        zero. From random weights alone, ESPCN_RGB loses 1 dB after as many steps.

        `IMAGE_GAIN` multiplies the image in the first layer and divides the kernel in the last. Without it
        the kernel's weights stay far larger than the others, and INT8 has no levels left for these: the
        largest weight of an output channel sets its scale.
        """
        channels = self.conv1.in_channels
        with torch.no_grad():
            for conv, gain in ((self.conv1, IMAGE_GAIN), (self.conv2, 1.0)):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.dirac_(conv.weight[:channels]).mul_(gain)
            nn.init.zeros_(self.conv3.weight)
            # A bilinear kernel is 3 x 3 in the middle of the 5 x 5 that `doubling_kernels` gives.
            bilinear = doubling_kernels("bilinear")[:, 1:-1, 1:-1]
            for channel in range(channels):
                phases = slice(channel * SCALE**2, (channel + 1) * SCALE**2)
                self.conv3.weight[phases, channel] = bilinear.float() / IMAGE_GAIN
            for conv in (self.conv1, self.conv2, self.conv3):
                conv.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, image: Tensor) -> Tensor:
        features = functional.relu(self.conv1(image))
        features = functional.relu(self.conv2(features))
        return self.depth_to_space(self.conv3(features))


class AnchoredEspcn(Espcn):
    """The same convolutions on top of bicubic interpolation: bicubic(image) + residual.

    The skip is that of VDSR (Kim et al., CVPR 2016) at ESPCN's cost. Bicubic is Keys' kernel with a = -0.5,
    as in the LR images; its borders are repeated, those of the convolutions zero.
    """

    kernels: Tensor

    def __init__(self, channels: int):
        super().__init__(channels)
        self.register_buffer("kernels", doubling_kernels("keys").float(), persistent=False)

    def initialise(self) -> None:
        """Begin close to bicubic interpolation: features as in `Espcn`, a last layer of nearly zero."""
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.normal_(self.conv3.weight, std=1e-3)
        for conv in (self.conv1, self.conv2, self.conv3):
            nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]

    def residual(self, image: Tensor) -> Tensor:
        """Return the correction to bicubic interpolation."""
        return super().forward(image)

    def forward(self, image: Tensor) -> Tensor:
        return double(image, self.kernels) + self.residual(image)


class Network(nn.Module):
    """The base of every model: RGB frames N x 3 x H x W in [0, 1] to N x 3 x 2H x 2W in [0, 1], float32."""

    trained_on: Literal["rgb", "luma"]
    trunk: nn.Module


class EspcnRgb(Network):
    """ESPCN_RGB of the paper (section III-A, figure 1): all three colours through 3 -> 96 -> 48 -> 12."""

    trained_on = "rgb"

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        del settings  # it has none
        self.trunk = Espcn(3)

    def forward(self, frame: Tensor) -> Tensor:
        return torch.clamp(self.trunk(frame), 0.0, 1.0)


class EspcnYcbcr(Network):
    """ESPCN_YCbCr of the paper (section III-A, figure 2): only luma through 1 -> 96 -> 48 -> 4.

    Chroma is upsampled by `settings.chroma_upsampling`; the paper does not state how. Bicubic is Keys'
    kernel with a = -0.75, as in torch. Both colour conversions are inside; only the result is clipped.
    """

    trained_on = "luma"
    trunk: Espcn
    chroma_upsampling: ChromaUpsampling

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        self.trunk = Espcn(1)  # pyright: ignore[reportIncompatibleVariableOverride]
        self.chroma_upsampling = settings.chroma_upsampling

    def forward(self, frame: Tensor) -> Tensor:
        luma, chroma = rgb_to_ycbcr(frame)
        ycbcr = torch.cat([self.trunk(luma), self._double(chroma)], dim=1)
        return torch.clamp(ycbcr_to_rgb(ycbcr), 0.0, 1.0)

    def _double(self, chroma: Tensor) -> Tensor:
        align = None if self.chroma_upsampling == "nearest" else False
        # ONNX gets a Resize by constant scales, which every runtime takes with dynamic sizes.
        scale = float(SCALE)
        return functional.interpolate(
            chroma, scale_factor=scale, mode=self.chroma_upsampling, align_corners=align
        )


class EspcnAnchor(Network):
    """RGB_out = bicubic(RGB) + residual(luma): the same residual for all three colours, through 1 -> 96 -> 48
    -> 4.

    This is the form that is trained; the folded one is exported (`superres.models.folding`).
    """

    trained_on = "luma"
    trunk: AnchoredEspcn

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        del settings  # it has none
        self.trunk = AnchoredEspcn(1)  # pyright: ignore[reportIncompatibleVariableOverride]

    def forward(self, frame: Tensor) -> Tensor:
        bicubic = double(frame, self.trunk.kernels)
        return torch.clamp(bicubic + self.trunk.residual(rgb_to_luma(frame)), 0.0, 1.0)


NETWORKS: dict[str, Callable[[NetworkSettings], Network]] = {
    name: globals()[facts.network] for name, facts in MODELS.items() if facts.network
}
"""The networks by model name, from `superres.models.settings.MODELS`."""


def build_network(name: str, settings: NetworkSettings | None = None) -> Network:
    """Return a freshly initialised network by model name, on the CPU, in training mode.

    Raises UserError for a name that is not in `NETWORKS` (`bicubic` has no network).
    """
    if name not in NETWORKS:
        raise UserError(
            f"model: expected one of {', '.join(NETWORKS)} (those have a network), found '{name}'"
        )
    return NETWORKS[name](settings or NetworkSettings())
