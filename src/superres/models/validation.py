"""Validation by the protocol of the super-resolution literature, which Set5's published figures follow.

It differs from the paper's Eq. 2, which the arms are measured by: luma here is studio-swing BT.601, as
MATLAB's rgb2ycbcr, and a border of `BORDER` HR pixels is left out.
"""

import numpy as np
import torch

from superres.models.batches import Pairs
from superres.models.networks import Network

BORDER = 2
# rgb2ycbcr's first row, for RGB in levels of 0 to 255; luma in 16 to 235.
STUDIO_LUMA = np.array([65.481, 128.553, 24.966]) / 255
# Keys' cubic kernel with a = -0.5 at the distances 1.75, 0.75, 0.25, 1.25 of an even output pixel.
KEYS_TAPS = np.array([-0.0234375, 0.2265625, 0.8671875, -0.0703125])


def upscale_bicubic(frame: np.ndarray) -> np.ndarray:
    """Double a frame as MATLAB's imresize does: Keys' kernel with a = -0.5, mirrored borders.

    uint8 H x W x 3 to uint8 2H x 2W x 3, rounded once at the end. (torch's and OpenCV's bicubic have
    a = -0.75, which scores lower.) Keys, "Cubic convolution interpolation", 1981, Eq. 15.
    """
    levels = frame.astype(np.float64)
    for axis in (0, 1):
        levels = _double(levels, axis)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _double(levels: np.ndarray, axis: int) -> np.ndarray:
    padding = [(2, 2) if i == axis else (0, 0) for i in range(3)]
    padded = np.moveaxis(np.pad(levels, padding, mode="symmetric"), axis, 0)
    count = levels.shape[axis]
    doubled = np.empty((2 * count, *padded.shape[1:]))
    doubled[0::2] = sum(tap * padded[k : k + count] for k, tap in enumerate(KEYS_TAPS))
    doubled[1::2] = sum(tap * padded[4 - k : 4 - k + count] for k, tap in enumerate(KEYS_TAPS))
    return np.moveaxis(doubled, 0, axis)


def psnr_y_db(upscaled: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of studio-swing BT.601 luma in dB: peak 255, `BORDER` pixels cropped, luma not rounded.

    Both are uint8 H x W x 3 RGB. Infinite for equal frames.
    """
    inside = slice(BORDER, -BORDER)
    error = (upscaled[inside, inside].astype(np.float64) - reference[inside, inside]) @ STUDIO_LUMA
    mean = float(np.mean(error**2))
    return float("inf") if mean == 0 else float(10 * np.log10(255**2 / mean))


def upscale(network: Network, frame: np.ndarray) -> np.ndarray:
    """Run a network on one frame: uint8 H x W x 3 to uint8 2H x 2W x 3, rounded to the nearest level."""
    with torch.inference_mode():
        levels = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float().div(255)
        output = network(levels.contiguous(memory_format=torch.channels_last))
        return output[0].mul(255).round().byte().permute(1, 2, 0).numpy()


def validate(network: Network, pairs: Pairs) -> float:
    """Mean over the images of a network's luma PSNR in dB; the network is in evaluation mode after."""
    network.eval()
    scores = [psnr_y_db(upscale(network, pairs.lr[i]), pairs.hr[i]) for i in range(len(pairs))]
    return float(np.mean(scores))


def validate_bicubic(pairs: Pairs) -> float:
    """Mean over the images of the luma PSNR in dB of `upscale_bicubic`."""
    scores = [psnr_y_db(upscale_bicubic(pairs.lr[i]), pairs.hr[i]) for i in range(len(pairs))]
    return float(np.mean(scores))
