import numpy as np
import pytest
import torch

from superres.models.interpolation import Interpolation, double, doubling_kernels

from . import oracle

KINDS: list[tuple[Interpolation, str, float]] = [
    ("keys", "bicubic", -0.5),
    ("bicubic", "bicubic", -0.75),
    ("bilinear", "bilinear", 0),
    ("nearest", "nearest", 0),
]


@pytest.mark.parametrize(("kind", "kernel", "a"), KINDS)
def test_double_is_the_kernels_definition_borders_included(
    kind: Interpolation, kernel: str, a: float
) -> None:
    image = np.random.default_rng(0).random((3, 7, 4))
    result = double(torch.from_numpy(image)[None], doubling_kernels(kind))[0].numpy()
    assert np.abs(result - oracle.upsample(image, kernel, a)).max() < 1e-14


@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "nearest"])
def test_double_is_torchs_interpolation(kind: Interpolation) -> None:
    image = torch.rand(2, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    align = None if kind == "nearest" else False
    expected = torch.nn.functional.interpolate(image, scale_factor=2.0, mode=kind, align_corners=align)
    assert (double(image, doubling_kernels(kind)) - expected).abs().max() < 1e-14


@pytest.mark.parametrize(("kind", "kernel", "a"), KINDS)
def test_kernels_are_exact_in_float32_and_keep_a_constant(kind: Interpolation, kernel: str, a: float) -> None:
    kernels = doubling_kernels(kind)
    assert torch.equal(kernels.float().double(), kernels)
    assert torch.equal(kernels.sum((1, 2)), torch.ones(4, dtype=torch.float64))
