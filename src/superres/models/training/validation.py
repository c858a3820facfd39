"""Validation of a network on images that its training doesn't see.

It follows the protocol of the super-resolution literature, as Set5's published figures do: luma is
studio-swing BT.601, as MATLAB's rgb2ycbcr, and a border as wide as the scale, in HR pixels, is left out. The
paper's Eq. 2, the default for arms, differs.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from superres.device.frames.pixels import enlarge_bicubic
from superres.device.frames.psnr import literature, mean_squared_errors, psnr
from superres.models.networks import Network
from superres.models.training.batches import Pairs


def psnr_y_db(upscaled: np.ndarray, reference: np.ndarray, scale: int) -> float:
    """Return PSNR of luma in dB for uint8 H x W x 3 RGB frames, at most CAP_DB."""
    return psnr(mean_squared_errors(reference, upscaled, literature(scale))[1])


def upscale(network: Network, frame: np.ndarray) -> np.ndarray:
    """Run a network on a frame: uint8 H x W x 3 to uint8 sH x sW x 3, rounded to the nearest level."""
    with torch.inference_mode():
        levels = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float().div(255)
        output = network(levels.contiguous(memory_format=torch.channels_last))
        return output[0].mul(255).round().byte().permute(1, 2, 0).numpy()


def validate(network: Network, pairs: Pairs) -> float:
    """Return a network's mean luma PSNR over the images in dB, and leave it in evaluation mode."""
    network.eval()
    return _mean_psnr(partial(upscale, network), pairs)


def validate_bicubic(pairs: Pairs) -> float:
    """Return the mean luma PSNR of `enlarge_bicubic` over the images in dB."""
    return _mean_psnr(lambda frame: enlarge_bicubic(frame, pairs.scale), pairs)


def _mean_psnr(upscaled: Callable[[np.ndarray], np.ndarray], pairs: Pairs) -> float:
    scores = [psnr_y_db(upscaled(pairs.lr[i]), pairs.high(i), pairs.scale) for i in range(len(pairs))]
    return float(np.mean(scores))


def silent_channels(network: Network, pairs: Pairs) -> list[int]:
    """Return for each convolution but the last how many of its channels no validation image makes positive.

    Behind ReLU, or a clip at zero, they are zero everywhere: the network is as narrow as if they weren't
    there. PReLU silences none.
    """
    inner = network.trunk.convolutions[:-1]
    if network.trunk.architecture.activation == "prelu":
        return [0] * len(inner)
    highest = [torch.zeros(convolution.out_channels) for convolution in inner]

    def watch(highest: Tensor, _module: object, _inputs: object, output: Tensor) -> None:
        torch.maximum(highest, output.amax((0, 2, 3)), out=highest)

    hooks = [
        convolution.register_forward_hook(partial(watch, found))
        for convolution, found in zip(inner, highest, strict=True)
    ]
    for frame in pairs.lr:
        upscale(network, frame)
    for hook in hooks:
        hook.remove()
    return [int((found <= 0).sum()) for found in highest]
