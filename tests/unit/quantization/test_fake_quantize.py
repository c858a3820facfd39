"""Rounding that torch can train through: values against numpy in float32, gradients against the paper's
formula in float64."""

import numpy as np
import pytest
import torch

from superres.quantization.trainable import fake_quantize


def some_values() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 0.4, (6, 4, 3, 3)).astype(np.float32)
    # Halves, which go to the even level, and values far outside.
    values[0, 0] = np.array([[0.5, 1.5, 2.5], [-0.5, -1.5, -2.5], [1e4, -1e4, 0]], np.float32) * np.float32(
        0.125
    )
    return values


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (-127, 127), (0, 255), (-3, 4)])
def test_values_are_those_of_a_quantize_linear(low: int, high: int) -> None:
    for scale in (np.float32(0.125), np.float32(0.0123)):
        values = some_values()
        expected = np.clip(np.rint(values / scale), low, high) * scale
        found = fake_quantize(torch.tensor(values), torch.tensor(scale), low, high)
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.parametrize("per_channel", [False, True])
def test_gradients_are_those_of_learned_step_size_quantization(per_channel: bool) -> None:
    values = torch.tensor(some_values(), requires_grad=True)
    start = np.linspace(0.05, 0.15, 6, dtype=np.float32).reshape(-1, 1, 1, 1) if per_channel else 0.1
    scale = torch.tensor(start, dtype=torch.float32, requires_grad=True)
    weights = np.random.default_rng(1).normal(size=values.shape).astype(np.float32)
    (fake_quantize(values, scale, -4, 3) * torch.tensor(weights)).sum().backward()

    quotient = some_values().astype(np.float64) / np.float64(scale.detach().numpy())
    inside = (quotient > -4.5) & (quotient < 3.5)
    slope = np.where(inside, np.rint(quotient) - quotient, np.where(quotient < 0, -4, 3)) * weights
    assert values.grad is not None and scale.grad is not None
    np.testing.assert_array_equal(values.grad.numpy(), np.where(inside, weights, 0))
    expected = slope.sum(axis=(1, 2, 3), keepdims=True) if per_channel else slope.sum()
    np.testing.assert_allclose(scale.grad.numpy(), expected, rtol=1e-4, atol=1e-5)
