import math

import pytest
import torch
from torch.nn import functional

from superres.models.training.noisy import FORGETTING, NoisyConv2d, magnitudes, set_magnitudes, set_noise


def convolution(noise: float) -> NoisyConv2d:
    torch.manual_seed(0)
    conv = NoisyConv2d(2, 3, 3, padding=1)
    set_noise(conv, noise, seed=1)
    return conv


def plain(conv: NoisyConv2d, image: torch.Tensor) -> torch.Tensor:
    return functional.conv2d(image, conv.weight, conv.bias, padding=1)


@pytest.mark.parametrize(("noise", "training"), [(0.0, True), (1.0, False)])
def test_without_noise_it_is_a_convolution(noise: float, training: bool) -> None:
    conv = convolution(noise).train(training)
    image = torch.rand(1, 2, 5, 6)
    assert torch.equal(conv(image), plain(conv, image))


def test_noise_is_as_wide_as_int8s_steps() -> None:
    conv = convolution(2.0)
    with torch.no_grad():
        # One tap of 1, its neighbours 0: the output is the input, its noise and the weights' noise.
        conv.weight.zero_()
        conv.weight[:, 0, 1, 1] = 1
        image = torch.zeros(1, 2, 100, 100)
        image[0, 1, 0, 0] = 5.0
        differences = [conv(image) - plain(conv, image) for _ in range(20)]
    inner = torch.stack([difference[..., 5:-5, 5:-5] for difference in differences])
    # Uniform over a step of 2 x 5 / 127; the weights' noise meets an input of noise alone, a 64th of that.
    assert inner.std().item() == pytest.approx(2 * 5 / 127 / math.sqrt(12), rel=0.02)
    assert inner.abs().max().item() < 1.2 * 5 / 127


def test_the_largest_magnitude_is_remembered_for_a_while() -> None:
    conv = convolution(1.0)
    conv(torch.full((1, 2, 4, 4), -3.0))
    assert magnitudes(conv) == [3.0]
    conv(torch.full((1, 2, 4, 4), 1.0))
    assert magnitudes(conv) == [pytest.approx(3.0 * (1 - FORGETTING))]
    other = convolution(1.0)
    set_magnitudes(other, magnitudes(conv))
    assert magnitudes(other) == magnitudes(conv)


def test_same_seed_same_noise() -> None:
    image = torch.rand(1, 2, 4, 4)
    outputs = []
    for _ in range(2):
        conv = convolution(1.0)
        torch.manual_seed(7)
        outputs.append(conv(image))
    assert torch.equal(*outputs)


def test_without_a_pool() -> None:
    conv = NoisyConv2d(1, 1, 3)
    conv.noise = 1.0
    with pytest.raises(RuntimeError, match="expected a pool of noise"):
        conv(torch.rand(1, 1, 4, 4))
