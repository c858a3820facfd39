"""Convolutions with the noise of INT8 on their weights and inputs, in training."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from superres.device.base.conventions import INT8_MAX

FORGETTING = 1e-3
_POOL = 1 << 22


class NoisyConv2d(nn.Conv2d):
    """A convolution that adds uniform noise to its input and weights, in training mode only.

    The noise is as wide as the steps of symmetric INT8 (the largest magnitude of the input, or of an output
    channel's weights, over 127) times `noise`. The input's largest magnitude `amax` is that of about the
    last thousand steps (it decays by `FORGETTING` a step), as min-max calibration sees many images.
    A network trained with it loses little by rounding: see docs/networks.md, and Baskin et al., "NICE: Noise
    Injection and Clamping Estimation", 2021 (arXiv:1810.00162). With `noise` 0, and in evaluation mode, it
    is a plain convolution.
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
        """Return uniform values from -0.5 to 0.5, channels last: a slice of the pool from a random place.

        New values would take a third of a step's time.
        """
        if self.pool is None:
            raise RuntimeError("expected a pool of noise, found none: call set_noise")
        batch, channels, height, width = shape
        count = batch * channels * height * width
        pool = self.pool if count < self.pool.numel() else self.pool.repeat(1 + count // self.pool.numel())
        start = int(torch.randint(pool.numel() - count + 1, ()))
        return pool[start : start + count].view(batch, height, width, channels).permute(0, 3, 1, 2)


def magnitudes(network: nn.Module) -> list[float]:
    """Return `amax` of each noisy convolution of a network, for a checkpoint."""
    return [module.amax for module in network.modules() if isinstance(module, NoisyConv2d)]


def set_magnitudes(network: nn.Module, amax: Sequence[float]) -> None:
    """Restore the result of `magnitudes` in a network's noisy convolutions."""
    noisy = [module for module in network.modules() if isinstance(module, NoisyConv2d)]
    for module, value in zip(noisy, amax, strict=True):
        module.amax = value


def set_noise(network: nn.Module, noise: float, seed: int) -> None:
    """Make a network's convolutions add `noise` steps of INT8 in training, from a pool drawn with `seed`."""
    pool = torch.rand(_POOL, generator=torch.Generator().manual_seed(seed)) - 0.5
    for module in network.modules():
        if isinstance(module, NoisyConv2d):
            module.noise, module.pool = noise, pool
