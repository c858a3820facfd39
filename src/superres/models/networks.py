"""The networks: the two of the paper, and one for any architecture.

A network has two attributes:
- `trunk`, the module whose weights are trained;
- `trained_on`, the colour of the trunk's patches: "rgb" (3 channels) or "luma" (1 channel).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.device.base.errors import UserError
from superres.models.architectures import Architecture
from superres.models.operations import (
    RADIUS,
    Interpolation,
    enlarge,
    enlarging_kernels,
    rgb_to_luma,
    rgb_to_ycbcr,
    ycbcr_to_rgb,
)
from superres.models.settings import MODELS, TRUNKS, ChromaUpsampling, NetworkSettings, architecture_of
from superres.models.training.noisy import NoisyConv2d

IMAGE_GAIN = 4.0
ANCHORS: dict[str, Interpolation] = {"bicubic": "keys", "nearest": "nearest"}
"""The kernels of anchors, by `Architecture.anchor`. Keys' is the one that made the LR images."""


class Layers(nn.Module):
    """The convolutions of an architecture: conv1, conv2, ... with an activation between each two.

    N x planes x H x W to `blocks`, N x (planes scale^2) x H x W: what DepthToSpace makes the image of, in
    CRD order: output[c, sy + i, sx + j] = blocks[s s c + s i + j, y, x]. Borders are padded with zeros.
    """

    def __init__(self, architecture: Architecture, planes: int, convolution: type[nn.Conv2d]):
        super().__init__()
        self.architecture = architecture
        *inner, _ = layers = architecture.convolutions(planes)
        for number, layer in enumerate(layers, 1):
            padding = layer.kernel // 2 if layer.stride == 1 else 0
            shape = (layer.inputs, layer.outputs, layer.kernel)
            self.add_module(f"conv{number}", convolution(*shape, stride=layer.stride, padding=padding))
        if architecture.activation == "prelu":
            for number, layer in enumerate(inner, 1):
                self.add_module(f"slope{number}", nn.PReLU(layer.outputs))
        if architecture.block > 1:
            self.from_large_blocks = nn.PixelShuffle(architecture.block)
        # At scale 1 blocks are pixels, and a graph gets no node for them.
        self.depth_to_space = nn.PixelShuffle(architecture.scale) if architecture.scale > 1 else nn.Identity()

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """The convolutions from first to last."""
        count = len(self.architecture.inner) + 1
        return [getattr(self, f"conv{number}") for number in range(1, count + 1)]

    def blocks(self, image: Tensor) -> Tensor:
        """Return the blocks of pixels, before DepthToSpace."""
        *inner, last = self.convolutions
        features = self._padded(image)
        for number, convolution in enumerate(inner, 1):
            features = self._activate(convolution(features), number)
        blocks = last(features)
        if self.architecture.block == 1:
            return blocks
        height, width = image.shape[-2:]
        return self.from_large_blocks(blocks)[..., :height, :width]

    def _padded(self, image: Tensor) -> Tensor:
        """Return an image with the zeros that a first convolution with a stride needs.

        The last row and column are there for odd sizes alone.
        """
        stride = self.architecture.block
        if stride == 1:
            return image
        before = (self.convolutions[0].kernel_size[0] - stride) // 2
        return functional.pad(image, (before, before + stride - 1) * 2)

    def _activate(self, features: Tensor, number: int) -> Tensor:
        match self.architecture.activation:
            case "relu":
                return functional.relu(features)
            case "prelu":
                return getattr(self, f"slope{number}")(features)
            case "hardtanh":
                return functional.hardtanh(features, 0.0, 1.0)


class Trunk(Layers):
    """The part of a network that is trained: an image N x planes x H x W to N x planes x sH x sW.

    It adds its `residual` to the anchor, whose borders are repeated. Nothing is clipped.
    """

    kernels: Tensor

    def __init__(self, architecture: Architecture):
        super().__init__(architecture, architecture.planes, NoisyConv2d)
        self.anchored = architecture.anchor != "none"
        if self.anchored:
            kernels = enlarging_kernels(ANCHORS[architecture.anchor], architecture.scale).float()
            self.register_buffer("kernels", kernels, persistent=False)
        with torch.no_grad():
            self.initialise()

    def initialise(self) -> None:
        """Begin close to the anchor, or at bilinear interpolation without one.

        Features are normal with variance 2 / fan-in (He et al., ICCV 2015, equation 10), biases zero. On an
        anchor the last layer begins near zero: the skip is that of VDSR (Kim et al., CVPR 2016).

        Without an anchor, the first features carry the image itself to a bilinear kernel in the last layer
        (Dirac initialisation: Zagoruyko and Komodakis, arXiv:1706.00388). No ReLU changes it: an image is not
        negative. The last layer begins by ignoring the others (zero, as in Fixup: Zhang et al.,
        arXiv:1901.09321). From random weights alone, ESPCN_RGB loses 1 dB after as many steps.

        `IMAGE_GAIN` multiplies the image in the first layer and divides the kernel in the last. Without it
        the kernel's weights stay far larger than the others, and INT8 has no levels left for these: the
        largest weight of an output channel sets its scale. Hardtanh's limit of 1 leaves no room for a gain.
        """
        *inner, last = self.convolutions
        gain = IMAGE_GAIN if self.architecture.activation != "hardtanh" else 1.0
        for number, convolution in enumerate(inner):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            if not self.anchored:
                carried = convolution.weight[: self.architecture.planes]
                nn.init.dirac_(carried).mul_(1.0 if number else gain)
        if self.anchored:
            nn.init.normal_(last.weight, std=1e-3)
        else:
            self._interpolate(last.weight, gain)
        for convolution in (*inner, last):
            nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]

    def _interpolate(self, weight: Tensor, gain: float) -> None:
        """Make the last weights a bilinear kernel for each plane, and zero for all other features."""
        nn.init.zeros_(weight)
        margin, scale = weight.shape[-1] // 2, self.architecture.scale
        phases = scale**2
        # A bilinear kernel is 3 x 3 in the middle; a last layer of 1 x 1 can only repeat pixels.
        reach = min(margin, 1)
        kernels = enlarging_kernels("bilinear" if reach else "nearest", scale).float() / gain
        middle, place = slice(RADIUS - reach, RADIUS + reach + 1), slice(margin - reach, margin + reach + 1)
        for plane in range(min(self.architecture.planes, weight.shape[1])):
            rows = slice(plane * phases, (plane + 1) * phases)
            weight[rows, plane, place, place] = kernels[:, middle, middle]

    def residual(self, image: Tensor) -> Tensor:
        """Return the correction to the anchor, or the whole image without one."""
        return self.depth_to_space(self.blocks(image))

    def forward(self, image: Tensor) -> Tensor:
        residual = self.residual(image)
        return enlarge(image, self.kernels) + residual if self.anchored else residual


class Network(nn.Module):
    """The base of every model: RGB frames N x 3 x H x W in [0, 1] to N x 3 x sH x sW in [0, 1], float32."""

    trained_on: Literal["rgb", "luma"]
    trunk: Trunk


class EspcnRgb(Network):
    """ESPCN_RGB of the paper (section III-A, figure 1): all three colours through 3 -> 96 -> 48 -> 12.

    Kernels are 5x5, 3x3 and 3x3, as in ESPCN itself; the paper does not state them.
    """

    trained_on = "rgb"

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(TRUNKS["EspcnRgb"])

    def forward(self, frame: Tensor) -> Tensor:
        return torch.clamp(self.trunk(frame), 0.0, 1.0)


class EspcnYcbcr(Network):
    """ESPCN_YCbCr of the paper (section III-A, figure 2): only luma through 1 -> 96 -> 48 -> 4.

    Chroma is upsampled by `settings.chroma_upsampling`; the paper does not state how. Bicubic is Keys'
    kernel with a = -0.75, as in torch. Both colour conversions are inside; only the result is clipped.
    """

    trained_on = "luma"

    def __init__(self, chroma_upsampling: ChromaUpsampling):
        super().__init__()
        self.trunk = Trunk(TRUNKS["EspcnYcbcr"])
        self.chroma_upsampling: ChromaUpsampling = chroma_upsampling

    def forward(self, frame: Tensor) -> Tensor:
        luma, chroma = rgb_to_ycbcr(frame)
        ycbcr = torch.cat([self.trunk(luma), self._enlarge(chroma)], dim=1)
        return torch.clamp(ycbcr_to_rgb(ycbcr), 0.0, 1.0)

    def _enlarge(self, chroma: Tensor) -> Tensor:
        align = None if self.chroma_upsampling == "nearest" else False
        # ONNX gets a Resize by constant scales, which every runtime takes with dynamic sizes.
        scale = float(self.trunk.architecture.scale)
        return functional.interpolate(
            chroma, scale_factor=scale, mode=self.chroma_upsampling, align_corners=align
        )


class ArchitectureNetwork(Network):
    """A network of any architecture. On luma, RGB_out = bicubic(RGB) + trunk(Y) - bicubic(Y).

    That adds the same residual to all three colours. This is the form that is trained; the folded one is
    exported (`superres.models.folding`).
    """

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.trained_on = architecture.colour
        self.trunk = Trunk(architecture)

    def forward(self, frame: Tensor) -> Tensor:
        if self.trained_on == "rgb":
            return torch.clamp(self.trunk(frame), 0.0, 1.0)
        architecture = self.trunk.architecture
        luma, kernels = rgb_to_luma(frame), enlarging_kernels("keys", architecture.scale).to(frame)
        upscaled = enlarge(frame, kernels)
        if architecture.anchor == "bicubic":
            return torch.clamp(upscaled + self.trunk.residual(luma), 0.0, 1.0)
        return torch.clamp(upscaled + (self.trunk(luma) - enlarge(luma, kernels)), 0.0, 1.0)


NETWORKS = tuple(name for name, facts in MODELS.items() if facts.architecture or facts.network)
"""The built-in models that have a network, and thus weights, of their own."""


def build_network(name: str, settings: NetworkSettings | None = None) -> Network:
    """Return a freshly initialised network by model name, on the CPU, in training mode.

    `settings` have the architecture, or the paper's network, of a model that isn't built in. Raises
    UserError for a model without one (`bicubic` has no network).
    """
    settings = settings or NetworkSettings()
    if architecture := architecture_of(name, settings):
        return ArchitectureNetwork(architecture)
    facts = MODELS.get(settings.network or name)
    match facts and facts.network:
        case "EspcnRgb":
            return EspcnRgb()
        case "EspcnYcbcr":
            return EspcnYcbcr(settings.chroma_upsampling)
    raise UserError(
        f"model: expected one of {', '.join(NETWORKS)} (those have a network), or an architecture, "
        f"found '{name}'"
    )
