"""The fixed operations of the networks: full-range BT.601 colour conversion, and interpolation by a scale.

Colour conversion is split, multiply and add, concatenate, not one matrix: the paper measures what these
small operations cost (section III-B, figures 2 to 6). Interpolation is a convolution with a small kernel for
each of the s s sub-pixels, then DepthToSpace: a network can fold it into its last layer.
"""

from math import isqrt
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

# ITU-R BT.601-7, section 2.5.1; the chroma divisors are 2 (1 - 0.114) and 2 (1 - 0.299).
RED, GREEN, BLUE = 0.299, 0.587, 0.114
CB_DIVISOR, CR_DIVISOR = 1.772, 1.402
CHROMA_OFFSET = 0.5

RADIUS = 2
_DECONVOLUTION = 9

Interpolation = Literal["keys", "bicubic", "bilinear", "nearest"]

# `a` of Keys' cubic kernel: as in MATLAB's imresize, and as in torch and OpenCV.
_CUBIC = {"keys": -0.5, "bicubic": -0.75}


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


def enlarging_kernels(interpolation: Interpolation, scale: int) -> Tensor:
    """Return the kernels of the s s sub-pixels (s i + j), float64, s s x 5 x 5; each sums to one.

    Half-pixel centres, as `torch.nn.functional.interpolate` with align_corners=False. `keys` is Keys' kernel
    with a = -0.5, `bicubic` with a = -0.75 ("Cubic convolution interpolation", 1981, Eq. 15). At scales
    1, 2 and 4 float32 holds all values exactly.
    """
    # Sub-pixel i lies (i + 0.5) / s - 0.5 beside the centre of its pixel.
    centres = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    distances = (torch.arange(-RADIUS, RADIUS + 1) - centres[:, None]).abs()
    taps = _weights(interpolation, distances)
    return torch.einsum("iy,jx->ijyx", taps, taps).reshape(scale**2, 2 * RADIUS + 1, 2 * RADIUS + 1)


def _weights(interpolation: Interpolation, distances: Tensor) -> Tensor:
    """Return the weights of pixels at some distances."""
    if interpolation == "nearest":
        return (distances < 0.5).double()
    if interpolation == "bilinear":
        return (1 - distances).clamp(min=0)
    a, d = _CUBIC[interpolation], distances
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def enlarge(image: Tensor, kernels: Tensor) -> Tensor:
    """Enlarge each channel of an image: N x C x H x W to N x C x sH x sW, borders repeated.

    `kernels` are those of `enlarging_kernels` in the image's type, s s of them.
    """
    batch, channels, height, width = image.shape
    scale = isqrt(len(kernels))
    planes = image.reshape(batch * channels, 1, height, width)
    padded = functional.pad(planes, (RADIUS,) * 4, mode="replicate")
    larger = functional.pixel_shuffle(functional.conv2d(padded, kernels[:, None]), scale)
    return larger.reshape(batch, channels, scale * height, scale * width)


def phase_kernels(deconvolution: Tensor, scale: int) -> Tensor:
    """Return the kernels of a convolution that, before DepthToSpace, is a 9x9 deconvolution by a scale.

    Weights I x P x 9 x 9 of `torch.nn.ConvTranspose2d(I, P, 9, stride=s, padding=4, output_padding=s - 1)` to
    kernels (s s P) x I x k x k in CRD order, k 5 (9 at scale 1). Sub-pixel (i, j) has each s-th weight, and
    zero beyond them.
    """
    inputs, planes, _, _ = deconvolution.shape
    size, before, after = _phases(scale)
    padded = functional.pad(deconvolution, (before, after, before, after))
    phases = padded.reshape(inputs, planes, size, scale, size, scale).flip(2, 4).permute(1, 3, 5, 0, 2, 4)
    return phases.reshape(planes * scale**2, inputs, size, size)


def deconvolution_of(kernels: Tensor, scale: int) -> Tensor:
    """Return the weights of the deconvolution that `phase_kernels` makes most of these kernels of.

    A deconvolution has no weight for the taps beyond its 9x9: they are left out.
    """
    outputs, inputs, _, _ = kernels.shape
    planes = outputs // scale**2
    size, before, _ = _phases(scale)
    phases = kernels.reshape(planes, scale, scale, inputs, size, size).permute(3, 0, 4, 1, 5, 2)
    whole = phases.flip(2, 4).reshape(inputs, planes, size * scale, size * scale)
    inside = slice(before, before + _DECONVOLUTION)
    return whole[..., inside, inside].contiguous()


def _phases(scale: int) -> tuple[int, int, int]:
    """Return the kernel's size, and the zeros before and after a deconvolution's weights in one direction."""
    radius = 2 if scale > 1 else _DECONVOLUTION // 2
    before = scale * radius - _DECONVOLUTION // 2
    return 2 * radius + 1, before, scale * (2 * radius + 1) - _DECONVOLUTION - before
