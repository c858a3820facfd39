"""Validation by the protocol of the super-resolution literature, which Set5's published figures follow.

It differs from the paper's Eq. 2, which arms are measured by unless the study says otherwise: luma here is
studio-swing BT.601, as MATLAB's rgb2ycbcr, and a border of two HR pixels is left out.
"""

import numpy as np
import torch

from superres.device.frames.pixels import upscale_bicubic
from superres.device.frames.psnr import LITERATURE, mean_squared_errors, psnr
from superres.models.networks import Network
from superres.models.training.batches import Pairs


def psnr_y_db(upscaled: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of luma in dB by the literature's protocol; both are uint8 H x W x 3 RGB. Infinite for equal
    frames."""
    return psnr(mean_squared_errors(reference, upscaled, LITERATURE)[1])


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
