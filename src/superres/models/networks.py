"""The networks of the paper, and the registry that names them.

A model is one class with two class attributes and one line in `MODELS`:
- `trunk`, the module whose weights are trained;
- `trained_on`, the colour of the patches that the trunk sees: "rgb" (3 channels) or "luma" (1 channel).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.device.errors import UserError
from superres.models.colour import rgb_to_ycbcr, ycbcr_to_rgb
from superres.models.settings import NetworkSettings

SCALE = 2


class Espcn(nn.Module):
    """The three convolutions of the paper: 96 and 48 channels, ReLU between, then DepthToSpace.

    N x C x H x W to N x C x 2H x 2W, not clipped. Kernels are 5x5, 3x3, 3x3 as in ESPCN itself (Shi et al.,
    CVPR 2016, section 3.2; the paper does not state them); borders are padded with zeros. DepthToSpace is
    in CRD order: output[c, 2y + i, 2x + j] = input[4c + 2i + j, y, x].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 96, 5, padding=2)
        self.conv2 = nn.Conv2d(96, 48, 3, padding=1)
        self.conv3 = nn.Conv2d(48, channels * SCALE**2, 3, padding=1)
        self.depth_to_space = nn.PixelShuffle(SCALE)
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights from torch's default generator; biases are zero.

        Normal with variance 2 / fan-in before a ReLU (He et al., ICCV 2015, equation 10), 1 / fan-in in the
        last layer, whose four sub-pixels of a channel begin equal so that no chequerboard has to be
        unlearned (ICNR: Aitken et al., arXiv:1707.02937, section 3.2).
        """
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        one_of_four = torch.empty_like(self.conv3.weight[:: SCALE**2])
        nn.init.kaiming_normal_(one_of_four, nonlinearity="linear")
        with torch.no_grad():
            self.conv3.weight.copy_(one_of_four.repeat_interleave(SCALE**2, dim=0))
            for conv in (self.conv1, self.conv2, self.conv3):
                conv.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]

    def forward(self, image: Tensor) -> Tensor:
        features = functional.relu(self.conv1(image))
        features = functional.relu(self.conv2(features))
        return self.depth_to_space(self.conv3(features))


class Network(nn.Module):
    """What every model is: RGB frames N x 3 x H x W in [0, 1] to N x 3 x 2H x 2W in [0, 1], float32."""

    trained_on: Literal["rgb", "luma"]
    trunk: nn.Module


class EspcnRgb(Network):
    """ESPCN_RGB of the paper (section III-A, figure 1): all three colours through 3 -> 96 -> 48 -> 12."""

    trained_on = "rgb"

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        del settings  # nothing about it is left open
        self.trunk = Espcn(3)

    def forward(self, frame: Tensor) -> Tensor:
        return torch.clamp(self.trunk(frame), 0.0, 1.0)


class EspcnYcbcr(Network):
    """ESPCN_YCbCr of the paper (section III-A, figure 2): only luma through 1 -> 96 -> 48 -> 4.

    Chroma is upsampled by `settings.chroma_upsampling`, a choice that the paper does not state. Bicubic is
    Keys' kernel with a = -0.75, torch's. Both colour conversions are inside; only the result is clipped.
    """

    trained_on = "luma"

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        self.trunk = Espcn(1)
        self.chroma_upsampling = settings.chroma_upsampling

    def forward(self, frame: Tensor) -> Tensor:
        luma, chroma = rgb_to_ycbcr(frame)
        align = None if self.chroma_upsampling == "nearest" else False
        chroma = functional.interpolate(
            chroma, scale_factor=float(SCALE), mode=self.chroma_upsampling, align_corners=align
        )
        ycbcr = torch.cat([self.trunk(luma), chroma], dim=1)
        return torch.clamp(ycbcr_to_rgb(ycbcr), 0.0, 1.0)


MODELS: dict[str, Callable[[NetworkSettings], Network]] = {
    "espcn_rgb": EspcnRgb,
    "espcn_ycbcr": EspcnYcbcr,
}


def build_network(name: str, settings: NetworkSettings | None = None) -> Network:
    """A freshly initialised network by its model name, on the CPU, in training mode.

    Raises UserError for a name that is not in `MODELS` (`bicubic` has no network).
    """
    if name not in MODELS:
        raise UserError(f"model: expected one of {', '.join(MODELS)} (those have a network), found '{name}'")
    return MODELS[name](settings or NetworkSettings())
