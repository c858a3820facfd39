"""Convolutions that feel, while they are trained, the noise that INT8 will put on their weights and
inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from superres.device.base.int8 import INT8_MAX

FORGETTING = 1e-3
_POOL = 1 << 22


class NoisyConv2d(nn.Conv2d):
    """A convolution which adds uniform noise to its input and its weights, in training mode only.

    The noise is as wide as the steps of symmetric INT8 (the largest magnitude of the input, or of an output
    channel's weights, over 127) times `noise`. An input's largest magnitude is that of the last thousand
    steps or so (`amax`, which forgets by `FORGETTING` a step), as min-max calibration takes it over many
    images: a batch of patches alone rarely has it. A network trained with it settles where rounding hurts
    little: see docs/models.md, and for the idea Baskin et al., "NICE: Noise Injection and Clamping
    Estimation", 2021 (arXiv:1810.00162). With `noise` 0, and in evaluation mode, it is a plain convolution.
    """

    noise: float = 0.0
    pool: Tensor | None = None
    amax: float = 0.0

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and self.noise):
            return super().forward(input)
        self.amax = max(self.amax * (1 - FORGETTING), input.detach().abs().amax().item())
        step = self.amax * self.noise / INT8_MAX
        steps = self.weight.detach().abs().amax((1, 2, 3), keepdim=True) * (self.noise / INT8_MAX)
        noisy = torch.addcmul(self.weight, self._draw(self.weight.shape), steps)
        return self._conv_forward(torch.add(input, self._draw(input.shape), alpha=step), noisy, self.bias)

    def _draw(self, shape: Sequence[int]) -> Tensor:
        """Uniform values from -0.5 to 0.5, channels last: a stretch of the pool that begins anywhere.

        Drawing each value anew would take a third of a step's time.
        """
        if self.pool is None:
            raise RuntimeError("expected a pool of noise, found none: call set_noise")
        batch, channels, height, width = shape
        count = batch * channels * height * width
        pool = self.pool if count < self.pool.numel() else self.pool.repeat(1 + count // self.pool.numel())
        start = int(torch.randint(pool.numel() - count + 1, ()))
        return pool[start : start + count].view(batch, height, width, channels).permute(0, 3, 1, 2)


def magnitudes(network: nn.Module) -> list[float]:
    """What each noisy convolution of a network remembers of its input, for a checkpoint."""
    return [module.amax for module in network.modules() if isinstance(module, NoisyConv2d)]


def set_magnitudes(network: nn.Module, amax: Sequence[float]) -> None:
    """Have a network's noisy convolutions remember what `magnitudes` gave."""
    noisy = [module for module in network.modules() if isinstance(module, NoisyConv2d)]
    for module, value in zip(noisy, amax, strict=True):
        module.amax = value


def set_noise(network: nn.Module, noise: float, seed: int) -> None:
    """Have a network's convolutions add `noise` steps of INT8 in training mode, from a pool drawn with
    `seed`."""
    pool = torch.rand(_POOL, generator=torch.Generator().manual_seed(seed)) - 0.5
    for module in network.modules():
        if isinstance(module, NoisyConv2d):
            module.noise, module.pool = noise, pool
