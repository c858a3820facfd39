import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from superres.device.base.errors import UserError
from superres.models.architectures import Espcn
from superres.models.networks import NETWORKS, Network, Trunk, build_network
from superres.models.settings import NetworkSettings

from . import oracle

MakeNetwork = Callable[..., Network]


def tensors(network: Network) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def run(network: Network, frame: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(torch.from_numpy(frame)[None]).numpy()[0]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("espcn_rgb", 96 * 75 + 96 + 48 * 864 + 48 + 12 * 432 + 12),
        ("espcn_ycbcr", 96 * 25 + 96 + 48 * 864 + 48 + 4 * 432 + 4),
        ("espcn_anchor", 96 * 25 + 96 + 48 * 864 + 48 + 4 * 432 + 4),
    ],
)
def test_number_of_parameters(model: str, parameters: int) -> None:
    assert sum(p.numel() for p in build_network(model).parameters()) == parameters


def test_espcn_rgb_matches_float64_numpy(make_network: MakeNetwork) -> None:
    network = make_network("espcn_rgb")
    frame = np.random.default_rng(0).random((3, 13, 10), np.float32)
    expected = np.clip(oracle.espcn(frame.astype(np.float64), tensors(network)), 0, 1)
    result = run(network, frame)
    assert result.shape == (3, 26, 20)
    assert np.abs(result - expected).max() < 1e-5
    assert 0.1 < np.mean((expected > 0) & (expected < 1)) < 0.9, "the clip has to matter, and not everywhere"


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "nearest"])
def test_espcn_ycbcr_matches_float64_numpy(
    make_network: MakeNetwork, kernel: Literal["bicubic", "bilinear", "nearest"]
) -> None:
    network = make_network("espcn_ycbcr", NetworkSettings(chroma_upsampling=kernel))
    frame = np.random.default_rng(1).random((3, 11, 14), np.float32)
    expected = oracle.espcn_ycbcr(frame.astype(np.float64), tensors(network), kernel)
    assert np.abs(run(network, frame) - expected).max() < 1e-5


@pytest.mark.parametrize("model", ["espcn_rgb", "espcn_ycbcr"])
def test_a_network_of_the_paper_by_another_name_is_the_same(make_network: MakeNetwork, model: str) -> None:
    network, named = make_network(model), build_network("other", NetworkSettings(network=model))
    named.load_state_dict(network.state_dict())
    frame = np.random.default_rng(2).random((3, 9, 12), np.float32)
    assert np.array_equal(run(named.eval(), frame), run(network, frame))


def test_espcn_anchor_matches_float64_numpy(make_network: MakeNetwork) -> None:
    network = make_network("espcn_anchor")
    frame = np.random.default_rng(2).random((3, 9, 14), np.float32)
    luma = np.einsum("c,chw->hw", [0.299, 0.587, 0.114], frame.astype(np.float64))[None]
    residual = oracle.espcn(luma, tensors(network))
    assert np.abs(residual).mean() > 0.02
    expected = np.clip(oracle.upsample(frame.astype(np.float64), "bicubic", a=-0.5) + residual, 0, 1)
    assert np.abs(run(network, frame) - expected).max() < 1e-5


def test_anchor_begins_close_to_bicubic() -> None:
    torch.manual_seed(0)
    frame = np.random.default_rng(3).random((3, 8, 8), np.float32)
    expected = oracle.upsample(frame.astype(np.float64), "bicubic", a=-0.5)
    assert np.abs(run(build_network("espcn_anchor"), frame) - np.clip(expected, 0, 1)).max() < 0.05


def test_chroma_is_bicubic_by_default(make_network: MakeNetwork) -> None:
    frame = np.random.default_rng(1).random((3, 8, 8), np.float32)
    chosen = make_network("espcn_ycbcr", NetworkSettings(chroma_upsampling="bicubic"))
    assert np.array_equal(run(make_network("espcn_ycbcr"), frame), run(chosen, frame))


def test_depth_to_space_is_in_crd_order() -> None:
    image = np.arange(12 * 3 * 4, dtype=np.float32).reshape(12, 3, 4)
    result = trunk("rgb").depth_to_space(torch.from_numpy(image)[None]).numpy()[0]
    assert np.array_equal(result, oracle.depth_to_space(image))


def trunk(colour: Literal["luma", "rgb"]) -> Trunk:
    return Trunk(Espcn(channels=(96, 48), anchor="none", colour=colour))


@pytest.mark.parametrize("colour", ["luma", "rgb"])
def test_training_begins_at_bilinear_interpolation(colour: Literal["luma", "rgb"]) -> None:
    image = np.random.default_rng(5).random(({"luma": 1, "rgb": 3}[colour], 7, 9), np.float32)
    with torch.inference_mode():
        result = trunk(colour)(torch.from_numpy(image)[None]).numpy()[0]
    # The border differs: the network pads with zeros.
    inside = np.s_[:, 2:-2, 2:-2]
    assert np.abs(result - oracle.upsample(image.astype(np.float64), "bilinear"))[inside].max() < 1e-6


def test_features_beside_the_image_begin_as_he_et_al_say() -> None:
    torch.manual_seed(0)
    espcn = trunk("rgb")
    first, second, _ = espcn.convolutions
    assert first.weight[3:].std().item() == pytest.approx(math.sqrt(2 / 75), rel=0.05)
    assert second.weight[3:].std().item() == pytest.approx(math.sqrt(2 / 864), rel=0.05)
    assert all(not m.bias.any() for m in espcn.children() if isinstance(m, nn.Conv2d) and m.bias is not None)


def test_same_seed_same_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return build_network("espcn_ycbcr").trunk.get_parameter("conv2.weight")

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@pytest.mark.parametrize("name", ["bicubic", "espcn"])
def test_unknown_model_is_named_with_the_known_ones(name: str) -> None:
    with pytest.raises(UserError, match=rf"espcn_rgb, espcn_ycbcr.*'{name}'"):
        build_network(name)


@pytest.mark.parametrize("model", NETWORKS)
def test_trunk_takes_what_it_is_trained_on(model: str) -> None:
    network = build_network(model)
    channels = {"rgb": 3, "luma": 1}[network.trained_on]
    assert network.trunk(torch.rand(1, channels, 5, 6)).shape == (1, channels, 10, 12)
