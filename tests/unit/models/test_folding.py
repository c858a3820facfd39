"""A folded network is the same function: in float64 to 1e-12, in float32 to 1e-5."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from superres.device.base.errors import UserError
from superres.models.folding import FoldedNetwork, fold
from superres.models.networks import Network
from superres.models.settings import ChromaUpsampling, NetworkSettings

MakeNetwork = Callable[..., Network]
KERNELS: list[ChromaUpsampling] = ["bicubic", "bilinear", "nearest"]
CASES = [
    *(("espcn_ycbcr", NetworkSettings(chroma_upsampling=kernel)) for kernel in KERNELS),
    ("espcn_anchor", NetworkSettings()),
]


def frame_of(height: int, width: int, kind: torch.dtype) -> torch.Tensor:
    return torch.rand(1, 3, height, width, dtype=kind, generator=torch.Generator().manual_seed(height))


@pytest.mark.parametrize(("kind", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("model", "settings"), CASES)
def test_folded_equals_the_original(
    make_network: MakeNetwork, model: str, settings: NetworkSettings, kind: torch.dtype, bound: float
) -> None:
    network = make_network(model, settings).to(kind)
    folded = fold(network)
    with torch.inference_mode():
        # Borders are a large part of these.
        for size in ((17, 24), (6, 5), (2, 2)):
            frame = frame_of(*size, kind)
            expected = network(frame)
            assert (folded(frame) - expected).abs().max() < bound
        assert 0.1 < ((expected > 0) & (expected < 1)).double().mean() <= 1


@pytest.mark.parametrize(("model", "settings"), CASES)
def test_folded_equals_the_original_where_the_clip_bites(
    make_network: MakeNetwork, model: str, settings: NetworkSettings
) -> None:
    network = make_network(model, settings).double()
    frame = (frame_of(12, 15, torch.float64) * 3 - 1).clamp(0, 1)
    with torch.inference_mode():
        expected = network(frame)
        assert 0.1 < ((expected == 0) | (expected == 1)).double().mean() < 0.9
        assert (fold(network)(frame) - expected).abs().max() < 1e-12


def test_skip_alone_keeps_grey_out_of_the_folded_luma_network(make_network: MakeNetwork) -> None:
    skip = fold(make_network("espcn_ycbcr")).skip
    # The network makes luma: a grey frame, whose chroma is zero, passes through it alone.
    grey = torch.full((1, 3, 6, 6), 0.7)
    assert skip(grey).abs().max() < 1e-6
    anchor = fold(make_network("espcn_anchor")).skip
    assert np.allclose(anchor(grey).detach().numpy(), 0.7, atol=1e-6)


def test_it_is_convolutions_one_sum_one_shuffle_one_clip(make_network: MakeNetwork) -> None:
    folded = fold(make_network("espcn_ycbcr"))
    assert isinstance(folded, FoldedNetwork)
    assert not folded.training
    shapes = {name: tuple(tensor.shape) for name, tensor in folded.named_parameters()}
    assert shapes["conv1.weight"] == (96, 3, 5, 5)
    assert shapes["conv3.weight"] == (12, 48, 3, 3)
    assert shapes["skip.weight"] == (12, 3, 5, 5)


def test_a_network_without_colour_conversion(make_network: MakeNetwork) -> None:
    with pytest.raises(UserError, match="folding: expected a network that works on luma, found EspcnRgb"):
        fold(make_network("espcn_rgb"))
