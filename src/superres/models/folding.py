"""Folding: rewrite a network for luma, with colour conversions around it, as convolutions alone.

Full-range BT.601 turns RGB into Y by one row of weights, and its inverse adds Y to all three colours.
For a network that replaces bicubic(Y) by Y_sr and upsamples chroma by the same linear kernel,

    RGB_out = up(RGB) + (Y_sr - up(Y)) * [1, 1, 1],

and the row of luma weights can be multiplied into the first convolution and into the kernel of up, which read
Y. docs/networks.md derives it.
"""

import torch
from torch import Tensor, nn

from superres.device.base.errors import UserError
from superres.models.architectures import Architecture
from superres.models.networks import ANCHORS, ArchitectureNetwork, EspcnYcbcr, Layers, Network, Trunk
from superres.models.operations import BLUE, GREEN, RADIUS, RED, enlarging_kernels

COLOURS = 3
KEPT_FLOAT = "skip"
"""The layer of a folded network that stays in float in INT8: it carries the image itself."""


class FoldedNetwork(Layers):
    """Convolutions, one sum, one DepthToSpace, one clip: clip(D2S(blocks(frame) + skip(frame))).

    `skip` interpolates the frame linearly, 3 -> 3 s s channels with repeated borders. The others are those of
    the trunk; on luma, with RGB as input and the residual repeated for each colour. A
    network on RGB without an anchor has no skip.
    """

    def __init__(self, architecture: Architecture, skip: Tensor | None):
        super().__init__(architecture, COLOURS, nn.Conv2d)
        if skip is not None:
            size = skip.shape[-1]
            mode = "replicate" if size > 1 else "zeros"
            self.skip = nn.Conv2d(
                COLOURS, skip.shape[0], size, padding=size // 2, padding_mode=mode, bias=False
            )
            self.skip.to(skip.dtype)
            self.skip.weight.copy_(skip)

    def forward(self, frame: Tensor) -> Tensor:
        blocks = self.blocks(frame)
        if hasattr(self, "skip"):
            blocks = blocks + self.skip(frame)
        return torch.clamp(self.depth_to_space(blocks), 0.0, 1.0)


def fold(network: Network) -> FoldedNetwork:
    """Return the folded form of a network: the same function, in evaluation mode.

    Its tensors have the network's type and are computed in float64. Both forms are equal but for rounding,
    also at the borders: torch's interpolation repeats them, as `skip` does. The networks clip once, at the
    end, so folding moves no clip. Raises UserError for ESPCN_RGB, which is exported as it is.
    """
    trunk = network.trunk
    if isinstance(network, EspcnYcbcr):
        # Chroma of up(RGB) is up(chroma); its luma is replaced by the network's.
        up = enlarging_kernels(network.chroma_upsampling, trunk.architecture.scale)
        skip = _skip_kernels(up, _identity() - _luma_row())
    elif isinstance(network, ArchitectureNetwork):
        skip = _skip_of(trunk.architecture)
    else:
        raise UserError(
            f"folding: expected a network that works on luma, found {type(network).__name__}: "
            "it has no colour conversion to fold"
        )
    with torch.no_grad():
        folded = FoldedNetwork(trunk.architecture, skip).to(trunk.convolutions[0].weight.dtype)
        _copy_layers(trunk, folded, luma=network.trained_on == "luma")
    return folded.eval()


def _copy_layers(trunk: Trunk, folded: FoldedNetwork, *, luma: bool) -> None:
    """Copy the trunk's weights. On luma, the first layer reads RGB, and the last writes to each colour."""
    tensors = trunk.state_dict()
    if luma:
        last = f"conv{len(trunk.convolutions)}"
        row = _luma_row().reshape(1, COLOURS, 1, 1)
        tensors["conv1.weight"] = tensors["conv1.weight"].double() * row
        tensors[f"{last}.weight"] = tensors[f"{last}.weight"].repeat(COLOURS, 1, 1, 1)
        tensors[f"{last}.bias"] = tensors[f"{last}.bias"].repeat(COLOURS)
    for name, tensor in tensors.items():
        folded.get_parameter(name).copy_(tensor)


def _skip_of(architecture: Architecture) -> Tensor | None:
    """Return the kernels of the interpolation beside an architecture's convolutions, None if it has none."""
    kernel, scale = ANCHORS.get(architecture.anchor), architecture.scale
    keys = enlarging_kernels("keys", scale)
    if kernel == "keys":
        return _skip_kernels(keys, _identity())
    if architecture.colour == "rgb":
        if kernel is None:
            return None
        middle = slice(RADIUS, RADIUS + 1)
        return _skip_kernels(enlarging_kernels(kernel, scale)[:, middle, middle], _identity())
    # Bicubic chroma, and the anchor's luma.
    skip = _skip_kernels(keys, _identity() - _luma_row())
    if kernel is not None:
        skip += _skip_kernels(enlarging_kernels(kernel, scale), _luma_row().expand(COLOURS, COLOURS))
    return skip


def _identity() -> Tensor:
    return torch.eye(COLOURS, dtype=torch.float64)


def _luma_row() -> Tensor:
    """Return the weights of R, G and B in full-range BT.601 luma, float64."""
    return torch.tensor([RED, GREEN, BLUE], dtype=torch.float64)


def _skip_kernels(up: Tensor, mixing: Tensor) -> Tensor:
    """Return kernels 3 s s x 3 x k x k, in CRD order, that interpolate (`up`) and mix colours at once."""
    return torch.einsum("cd,pyx->cpdyx", mixing, up).reshape(COLOURS * len(up), COLOURS, *up.shape[1:])
