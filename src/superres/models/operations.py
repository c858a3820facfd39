"""The fixed operations of the networks: full-range BT.601 colour conversion, and interpolation by two.

Colour conversion is split, multiply and add, concatenate, not one matrix: the paper measures what these
small operations cost (section III-B, figures 2 to 6). Interpolation is a convolution with a small kernel for
each of the four sub-pixels, then DepthToSpace: a network can fold it into its last layer.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

# ITU-R BT.601-7, section 2.5.1; the chroma divisors are 2 (1 - 0.114) and 2 (1 - 0.299).
RED, GREEN, BLUE = 0.299, 0.587, 0.114
CB_DIVISOR, CR_DIVISOR = 1.772, 1.402
CHROMA_OFFSET = 0.5

SCALE = 2
RADIUS = 2

Interpolation = Literal["keys", "bicubic", "bilinear", "nearest"]

# Weights of the pixels at -2 .. 2 for the first (upper or left) of two sub-pixels, whose centre lies a
# quarter of a pixel before that of its pixel. The second sub-pixel has the same weights mirrored.
_FIRST_TAPS: dict[str, tuple[float, ...]] = {
    # Keys' cubic kernel at the distances 1.75, 0.75, 0.25, 1.25 with a = -0.5, as in MATLAB's imresize ...
    "keys": (-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0),
    # ... and with a = -0.75, as in torch and OpenCV.
    "bicubic": (-0.03515625, 0.26171875, 0.87890625, -0.10546875, 0.0),
    "bilinear": (0.0, 0.25, 0.75, 0.0, 0.0),
    "nearest": (0.0, 0.0, 1.0, 0.0, 0.0),
}


def rgb_to_luma(frame: Tensor) -> Tensor:
    """Return luma of RGB frames: N x 3 x H x W in [0, 1] to N x 1 x H x W in [0, 1] (full-range BT.601)."""
    red, green, blue = torch.split(frame, 1, dim=1)
    return RED * red + GREEN * green + BLUE * blue


def rgb_to_ycbcr(frame: Tensor) -> tuple[Tensor, Tensor]:
    """Return luma and chroma of RGB frames (full-range BT.601, as in JFIF 1.02).

    N x 3 x H x W in [0, 1] to luma N x 1 x H x W and chroma N x 2 x H x W (Cb, Cr), both in [0, 1];
    grey has chroma 0.5.
    """
    red, green, blue = torch.split(frame, 1, dim=1)
    luma = RED * red + GREEN * green + BLUE * blue
    cb = (blue - luma) * (1 / CB_DIVISOR) + CHROMA_OFFSET
    cr = (red - luma) * (1 / CR_DIVISOR) + CHROMA_OFFSET
    return luma, torch.cat([cb, cr], dim=1)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Invert `rgb_to_ycbcr`: Y, Cb, Cr channels N x 3 x H x W to RGB of the same shape, not clipped."""
    luma, cb, cr = torch.split(ycbcr, 1, dim=1)
    cb = cb - CHROMA_OFFSET
    cr = cr - CHROMA_OFFSET
    red = luma + CR_DIVISOR * cr
    blue = luma + CB_DIVISOR * cb
    green = luma - (BLUE * CB_DIVISOR / GREEN) * cb - (RED * CR_DIVISOR / GREEN) * cr
    return torch.cat([red, green, blue], dim=1)


def doubling_kernels(interpolation: Interpolation) -> Tensor:
    """Return the kernels of the four sub-pixels (2i + j), float64, 4 x 5 x 5; each sums to one.

    Half-pixel centres, as `torch.nn.functional.interpolate` with align_corners=False. `keys` is Keys' kernel
    with a = -0.5, `bicubic` with a = -0.75 ("Cubic convolution interpolation", 1981, Eq. 15). All values are
    sums of powers of two: float32 holds them exactly.
    """
    first = torch.tensor(_FIRST_TAPS[interpolation], dtype=torch.float64)
    taps = torch.stack([first, first.flip(0)])
    return torch.einsum("iy,jx->ijyx", taps, taps).reshape(SCALE**2, 2 * RADIUS + 1, 2 * RADIUS + 1)


def double(image: Tensor, kernels: Tensor) -> Tensor:
    """Double each channel of an image: N x C x H x W to N x C x 2H x 2W, borders repeated.

    `kernels` are those of `doubling_kernels` in the image's type.
    """
    batch, channels, height, width = image.shape
    planes = image.reshape(batch * channels, 1, height, width)
    padded = functional.pad(planes, (RADIUS,) * 4, mode="replicate")
    doubled = functional.pixel_shuffle(functional.conv2d(padded, kernels[:, None]), SCALE)
    return doubled.reshape(batch, channels, SCALE * height, SCALE * width)


def phase_kernels(deconvolution: Tensor) -> Tensor:
    """Return the kernels of a convolution that, before DepthToSpace, is a 9x9 deconvolution by two.

    Weights I x P x 9 x 9 of `torch.nn.ConvTranspose2d(I, P, 9, stride=2, padding=4, output_padding=1)` to
    kernels (4P) x I x 5 x 5 in CRD order. Sub-pixel (i, j) has every other weight, and zero beyond them.
    """
    inputs, planes, _, _ = deconvolution.shape
    padded = functional.pad(deconvolution, (0, 1, 0, 1)).reshape(inputs, planes, 5, 2, 5, 2)
    kernels = padded.flip(2, 4).permute(1, 3, 5, 0, 2, 4)
    return kernels.reshape(planes * SCALE**2, inputs, 5, 5)


def deconvolution_of(kernels: Tensor) -> Tensor:
    """Return the weights of the deconvolution that `phase_kernels` makes most of these kernels of.

    A deconvolution has no weight for the taps beyond its 9x9: they are left out.
    """
    outputs, inputs, _, _ = kernels.shape
    planes = outputs // SCALE**2
    phases = kernels.reshape(planes, SCALE, SCALE, inputs, 5, 5).permute(3, 0, 4, 1, 5, 2)
    return phases.flip(2, 4).reshape(inputs, planes, 10, 10)[..., :9, :9].contiguous()
