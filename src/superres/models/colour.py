"""Full-range BT.601 colour conversion in the small operations that the paper's graphs show.

Split into channels, multiply and add, concatenate: kept so, and not folded into one matrix, because what
these operations cost is one of the paper's findings (section III-B, figures 2 to 6).
"""

import torch
from torch import Tensor

# ITU-R BT.601-7, section 2.5.1; the chroma divisors are 2 (1 - 0.114) and 2 (1 - 0.299).
RED, GREEN, BLUE = 0.299, 0.587, 0.114
CB_DIVISOR, CR_DIVISOR = 1.772, 1.402
CHROMA_OFFSET = 0.5


def rgb_to_luma(frame: Tensor) -> Tensor:
    """Luma of RGB frames: N x 3 x H x W in [0, 1] to N x 1 x H x W in [0, 1] (full-range BT.601)."""
    red, green, blue = torch.split(frame, 1, dim=1)
    return RED * red + GREEN * green + BLUE * blue


def rgb_to_ycbcr(frame: Tensor) -> tuple[Tensor, Tensor]:
    """Luma and chroma of RGB frames (full-range BT.601, as in JFIF 1.02).

    N x 3 x H x W in [0, 1] to luma N x 1 x H x W and chroma N x 2 x H x W (Cb, Cr), both in [0, 1];
    grey has chroma 0.5.
    """
    red, green, blue = torch.split(frame, 1, dim=1)
    luma = RED * red + GREEN * green + BLUE * blue
    cb = (blue - luma) * (1 / CB_DIVISOR) + CHROMA_OFFSET
    cr = (red - luma) * (1 / CR_DIVISOR) + CHROMA_OFFSET
    return luma, torch.cat([cb, cr], dim=1)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """RGB of Y, Cb, Cr channels: the inverse of `rgb_to_ycbcr`, N x 3 x H x W to the same, not clipped."""
    luma, cb, cr = torch.split(ycbcr, 1, dim=1)
    cb = cb - CHROMA_OFFSET
    cr = cr - CHROMA_OFFSET
    red = luma + CR_DIVISOR * cr
    blue = luma + CB_DIVISOR * cb
    green = luma - (BLUE * CB_DIVISOR / GREEN) * cb - (RED * CR_DIVISOR / GREEN) * cr
    return torch.cat([red, green, blue], dim=1)
