"""Interpolation against its definition, colour conversion against JFIF, in float64."""

import numpy as np
import pytest
import torch

from superres.models.operations import (
    Interpolation,
    deconvolution_of,
    enlarge,
    enlarging_kernels,
    phase_kernels,
    rgb_to_luma,
    rgb_to_ycbcr,
    ycbcr_to_rgb,
)

from . import oracle

KINDS: list[tuple[Interpolation, str, float]] = [
    ("keys", "bicubic", -0.5),
    ("bicubic", "bicubic", -0.75),
    ("bilinear", "bilinear", 0),
    ("nearest", "nearest", 0),
]


SCALES = pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])


@pytest.mark.parametrize(("kind", "kernel", "a"), KINDS)
@SCALES
def test_enlarging_is_the_kernels_definition_borders_included(
    kind: Interpolation, kernel: str, a: float, scale: int
) -> None:
    image = np.random.default_rng(0).random((3, 7, 4))
    result = enlarge(torch.from_numpy(image)[None], enlarging_kernels(kind, scale))[0].numpy()
    assert np.abs(result - oracle.upsample(image, kernel, a, scale)).max() < 1e-14


@pytest.mark.parametrize("kind", ["bicubic", "bilinear", "nearest"])
@SCALES
def test_enlarging_is_torchs_interpolation(kind: Interpolation, scale: int) -> None:
    image = torch.rand(2, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    align = None if kind == "nearest" else False
    factor = float(scale)
    expected = torch.nn.functional.interpolate(image, scale_factor=factor, mode=kind, align_corners=align)
    assert (enlarge(image, enlarging_kernels(kind, scale)) - expected).abs().max() < 1e-13


@pytest.mark.parametrize(("kind", "kernel", "a"), KINDS)
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_kernels_are_exact_in_float32_and_keep_a_constant(
    kind: Interpolation, kernel: str, a: float, scale: int
) -> None:
    kernels = enlarging_kernels(kind, scale)
    assert torch.equal(kernels.float().double(), kernels)
    assert torch.equal(kernels.sum((1, 2)), torch.ones(scale**2, dtype=torch.float64))


def test_the_kernels_of_two_are_those_of_the_shipped_weights() -> None:
    # Keys' cubic kernel with a = -0.5 at the distances 1.75, 0.75, 0.25, 1.25.
    first = [-0.0234375, 0.2265625, 0.8671875, -0.0703125, 0.0]
    assert enlarging_kernels("keys", 2)[0].sum(1).tolist() == first


@pytest.mark.parametrize("scale", range(1, 9))
def test_phases_are_those_of_the_deconvolution(scale: int) -> None:
    random = torch.Generator().manual_seed(scale)
    weights = torch.randn(3, 2, 9, 9, dtype=torch.float64, generator=random)
    image = torch.randn(1, 3, 6, 7, dtype=torch.float64, generator=random)
    expected = torch.nn.functional.conv_transpose2d(
        image, weights, stride=scale, padding=4, output_padding=scale - 1
    )
    kernels = phase_kernels(weights, scale)
    blocks = torch.nn.functional.conv2d(image, kernels, padding=kernels.shape[-1] // 2)
    assert (torch.nn.functional.pixel_shuffle(blocks, scale) - expected).abs().max() < 1e-12
    assert torch.equal(deconvolution_of(kernels, scale), weights)


def pixel(red: float, green: float, blue: float) -> torch.Tensor:
    return torch.tensor([red, green, blue]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((0, 0, 0), (0, 0.5, 0.5)),
        ((1, 1, 1), (1, 0.5, 0.5)),
        ((0.25, 0.25, 0.25), (0.25, 0.5, 0.5)),
        # JFIF: the primaries reach the ends of their own chroma axis.
        ((1, 0, 0), (0.299, 0.5 - 0.299 / 1.772, 1.0)),
        ((0, 0, 1), (0.114, 1.0, 0.5 - 0.114 / 1.402)),
        ((0, 1, 0), (0.587, 0.5 - 0.587 / 1.772, 0.5 - 0.587 / 1.402)),
    ],
)
def test_closed_forms(rgb: tuple[float, float, float], expected: tuple[float, float, float]) -> None:
    luma, chroma = rgb_to_ycbcr(pixel(*rgb))
    assert torch.cat([luma, chroma], 1).flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_matches_jfif_matrix_in_float64() -> None:
    frame = np.random.default_rng(1).random((2, 3, 5, 7))
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    expected = np.einsum("ij,njhw->nihw", matrix, frame) + np.array([0, 0.5, 0.5])[:, None, None]
    luma, chroma = rgb_to_ycbcr(torch.from_numpy(frame))
    # The matrix is printed in JFIF 1.02 with six digits.
    assert np.abs(torch.cat([luma, chroma], 1).numpy() - expected).max() < 1e-6


def test_round_trip() -> None:
    frame = torch.rand(2, 3, 40, 30, generator=torch.Generator().manual_seed(2))
    restored = ycbcr_to_rgb(torch.cat(rgb_to_ycbcr(frame), dim=1))
    assert (restored - frame).abs().max() < 1e-6


def test_luma_alone_is_the_luma_of_the_conversion() -> None:
    frame = torch.rand(1, 3, 8, 9, generator=torch.Generator().manual_seed(3))
    assert torch.equal(rgb_to_luma(frame), rgb_to_ycbcr(frame)[0])
