"""Interpolation by two as a convolution: a small kernel for each of the four sub-pixels, then DepthToSpace.

That is what a network folds into its own last layer, and what every runtime has a fast kernel for.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

SCALE = 2
RADIUS = 2

Interpolation = Literal["keys", "bicubic", "bilinear", "nearest"]

# Weights of the pixels at -2 .. 2 for the first (upper or left) of two sub-pixels, whose centre lies a
# quarter of a pixel before its own pixel's. The second sub-pixel has the same weights the other way round.
_FIRST_TAPS: dict[str, tuple[float, ...]] = {
    # Keys' cubic kernel at the distances 1.75, 0.75, 0.25, 1.25 with a = -0.5, which is MATLAB's imresize ...
    "keys": (-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0),
    # ... and with a = -0.75, which is torch's and OpenCV's.
    "bicubic": (-0.03515625, 0.26171875, 0.87890625, -0.10546875, 0.0),
    "bilinear": (0.0, 0.25, 0.75, 0.0, 0.0),
    "nearest": (0.0, 0.0, 1.0, 0.0, 0.0),
}


def doubling_kernels(interpolation: Interpolation) -> Tensor:
    """The kernels of the four sub-pixels (2i + j), float64, 4 x 5 x 5; each sums to one.

    Half-pixel centres, as `torch.nn.functional.interpolate` with align_corners=False. `keys` is Keys' kernel
    with a = -0.5, `bicubic` with a = -0.75 ("Cubic convolution interpolation", 1981, Eq. 15). All values are
    sums of powers of two, so that float32 holds them exactly.
    """
    first = torch.tensor(_FIRST_TAPS[interpolation], dtype=torch.float64)
    taps = torch.stack([first, first.flip(0)])
    return torch.einsum("iy,jx->ijyx", taps, taps).reshape(SCALE**2, 2 * RADIUS + 1, 2 * RADIUS + 1)


def double(image: Tensor, kernels: Tensor) -> Tensor:
    """Double every channel of an image by itself: N x C x H x W to N x C x 2H x 2W, borders repeated.

    `kernels` are those of `doubling_kernels` in the image's type.
    """
    batch, channels, height, width = image.shape
    planes = image.reshape(batch * channels, 1, height, width)
    padded = functional.pad(planes, (RADIUS,) * 4, mode="replicate")
    doubled = functional.pixel_shuffle(functional.conv2d(padded, kernels[:, None]), SCALE)
    return doubled.reshape(batch, channels, SCALE * height, SCALE * width)
