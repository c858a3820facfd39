"""Folding: rewrite a network for luma, with colour conversions around it, as convolutions alone.

Full-range BT.601 turns RGB into Y by one row of weights, and its inverse adds Y to all three colours.
For a network that replaces bicubic(Y) by Y_sr and upsamples chroma by the same linear kernel,

    RGB_out = up(RGB) + (Y_sr - up(Y)) * [1, 1, 1],

and the row of luma weights can be multiplied into the first convolution and into the kernel of up, which read
Y. docs/networks.md derives it.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.device.base.errors import UserError
from superres.models.networks import EspcnAnchor, EspcnYcbcr, Network
from superres.models.operations import BLUE, GREEN, RADIUS, RED, SCALE, doubling_kernels

COLOURS = 3
KEPT_FLOAT = "skip"
"""The layer of a folded network that stays in float in INT8: it carries the image itself."""


class FoldedEspcn(Network):
    """Four convolutions, one sum, one DepthToSpace, one clip: clip(D2S(conv3(relu(conv2(relu(conv1)))) +
    skip)).

    `skip` interpolates the frame linearly, 3 -> 12 channels with repeated borders. The others are those of
    `Espcn`, with RGB as input and the luma residual repeated for each colour (48 -> 12 channels).
    """

    trained_on = "rgb"

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(COLOURS, 96, 5, padding=2)
        self.conv2 = nn.Conv2d(96, 48, 3, padding=1)
        self.conv3 = nn.Conv2d(48, COLOURS * SCALE**2, 3, padding=1)
        self.skip = nn.Conv2d(
            COLOURS, COLOURS * SCALE**2, 2 * RADIUS + 1, padding=RADIUS, padding_mode="replicate", bias=False
        )
        self.depth_to_space = nn.PixelShuffle(SCALE)

    def forward(self, frame: Tensor) -> Tensor:
        features = functional.relu(self.conv1(frame))
        features = functional.relu(self.conv2(features))
        return torch.clamp(self.depth_to_space(self.conv3(features) + self.skip(frame)), 0.0, 1.0)


def fold(network: Network) -> FoldedEspcn:
    """Return the folded form of an `EspcnYcbcr` or `EspcnAnchor`: the same function, in evaluation mode.

    Its tensors have the network's type and are computed in float64. Both forms are equal but for rounding,
    also at the borders: torch's interpolation repeats them, as `skip` does. The networks clip once, at the
    end, so folding moves no clip. Raises UserError for any other network.
    """
    if isinstance(network, EspcnYcbcr):
        # Chroma of up(RGB) is up(chroma); its luma is replaced by the network's.
        up = doubling_kernels(network.chroma_upsampling)
        mixing = torch.eye(COLOURS, dtype=torch.float64) - _luma_row()
    elif isinstance(network, EspcnAnchor):
        up = doubling_kernels("keys")
        mixing = torch.eye(COLOURS, dtype=torch.float64)
    else:
        raise UserError(
            f"folding: expected a network that works on luma, found {type(network).__name__}: "
            "it has no colour conversion to fold"
        )
    trunk = network.trunk
    folded = FoldedEspcn().to(trunk.conv1.weight.dtype)
    with torch.no_grad():
        luma = _luma_row().reshape(1, COLOURS, 1, 1)
        folded.conv1.weight.copy_(trunk.conv1.weight.double() * luma)
        folded.conv2.weight.copy_(trunk.conv2.weight)
        folded.conv3.weight.copy_(trunk.conv3.weight.repeat(COLOURS, 1, 1, 1))
        folded.skip.weight.copy_(_skip_kernels(up, mixing))
        for name, times in (("conv1", 1), ("conv2", 1), ("conv3", COLOURS)):
            bias = trunk.get_parameter(f"{name}.bias")
            folded.get_parameter(f"{name}.bias").copy_(bias.repeat(times))
    return folded.eval()


def _luma_row() -> Tensor:
    """Return the weights of R, G and B in full-range BT.601 luma, float64."""
    return torch.tensor([RED, GREEN, BLUE], dtype=torch.float64)


def _skip_kernels(up: Tensor, mixing: Tensor) -> Tensor:
    """Return kernels 12 x 3 x 5 x 5, in CRD order, that interpolate (`up`) and mix colours at once."""
    return torch.einsum("cd,pyx->cpdyx", mixing, up).reshape(COLOURS * SCALE**2, COLOURS, *up.shape[1:])
