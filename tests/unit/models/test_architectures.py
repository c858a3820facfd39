"""Architectures: layer lists and counts of published networks, and what can't be."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from superres.models.architectures import Architecture, Espcn, Fsrcnn, Layer, Plain
from superres.models.folding import fold
from superres.models.networks import Trunk, build_network
from superres.models.settings import MODELS, NetworkSettings

from . import oracle


def parsed(**keys: Any) -> Plain | Espcn | Fsrcnn:
    return TypeAdapter(Architecture).validate_python(keys)


# Parameters and multiply-adds by pixel as published, or counted from published layer lists. FSRCNN's 12,464
# weights have a 9x9 deconvolution (4,536), which becomes 56 x 4 kernels of 5x5.
PUBLISHED = [
    ({"channels": 8, "layers": 4}, 2_708, 2_664),
    ({"channels": 8, "layers": 4, "activation": "prelu"}, 2_748, 2_664),
    ({"channels": 16, "layers": 4}, 10_020, 9_936),
    ({"channels": 16, "layers": 4, "activation": "prelu"}, 10_100, 9_936),
    ({"channels": 16, "layers": 4, "colour": "rgb", "activation": "prelu"}, 11_548, 11_376),
    ({"channels": 16, "layers": 10, "activation": "prelu"}, 24_116, 23_760),
    ({"channels": 32, "layers": 4, "colour": "rgb", "activation": "prelu"}, 41_516, 41_184),
    ({"channels": 32, "layers": 10, "activation": "prelu"}, 94_308, 93_600),
    ({"channels": 16, "layers": 3, "first_kernel": 5, "last_kernel": 5}, 8_980, 8_912),
    ({"channels": 16, "layers": 11, "first_kernel": 5, "last_kernel": 5}, 27_540, 27_344),
    ({"channels": 32, "layers": 2, "colour": "rgb", "activation": "hardtanh"}, 22_860, 22_752),
    ({"channels": 32, "layers": 5, "colour": "rgb", "activation": "hardtanh"}, 50_604, 50_400),
    ({"channels": 24, "layers": 8, "colour": "rgb", "activation": "prelu"}, 45_156, 44_712),
    ({"kind": "espcn", "channels": [64, 32]}, 21_284, 21_184),
    ({"kind": "espcn", "channels": [64, 32], "colour": "rgb"}, 26_796, 26_688),
    ({"kind": "espcn", "channels": [22, 32]}, 8_096, 8_038),
    ({"kind": "fsrcnn"}, 12_464 - 4_536 + 5_600 + 176, 13_528),
]


@pytest.mark.parametrize(("keys", "parameters", "multiply_adds"), PUBLISHED)
def test_counts_are_the_published_ones(keys: dict[str, Any], parameters: int, multiply_adds: int) -> None:
    architecture = parsed(**{"kind": "plain", **keys})
    assert architecture.multiply_adds == multiply_adds
    assert parameters == architecture.parameters == sum(p.numel() for p in Trunk(architecture).parameters())


def test_members_have_the_sizes_that_their_names_promise() -> None:
    sizes = {name: facts.architecture.multiply_adds for name, facts in MODELS.items() if facts.architecture}
    assert sizes == {
        "espcn_anchor": 45_600,
        "plain_c8_m4": 2_664,
        "plain_c16_m4": 9_936,
        "plain_c16_m10": 23_760,
        "plain_c32_m4": 38_304,
        "plain_c32_m6": 56_736,
        "unshuffle_c32_m4": 10_656,
        "fsrcnn": 13_528,
        "quicksrnet_s": 22_752,
        "espcn_64_32": 21_184,
    }


def test_layers_of_fsrcnn_and_of_unshuffled_ones() -> None:
    assert Fsrcnn(channels=(56, 12), layers=1).convolutions(1) == (
        Layer(5, 1, 56),
        Layer(1, 56, 12),
        Layer(3, 12, 12),
        Layer(1, 12, 56),
        Layer(5, 56, 4),
    )
    unshuffled = Plain(channels=8, layers=0, unshuffle=2)
    assert unshuffled.convolutions(3) == (Layer(6, 3, 8, 2), Layer(3, 8, 48))
    assert unshuffled.multiply_adds == (12 // 3 * 9 * 8 + 9 * 8 * 16) / 4


FRAMES = [(12, 18), (7, 9), (1, 2)]
KINDS = [
    *(
        {
            "kind": "plain",
            "channels": 4,
            "layers": 1,
            "anchor": anchor,
            "colour": colour,
            "activation": activation,
        }
        for anchor in ("bicubic", "nearest", "none")
        for colour in ("luma", "rgb")
        for activation in ("relu", "prelu", "hardtanh")
    ),
    *(
        {
            "kind": "plain",
            "channels": 5,
            "layers": 1,
            "unshuffle": 2,
            "colour": colour,
            "first_kernel": kernel,
        }
        for colour in ("luma", "rgb")
        for kernel in (1, 3, 5)
    ),
    {"kind": "plain", "channels": 2, "layers": 0, "colour": "rgb", "anchor": "none", "last_kernel": 1},
    {"kind": "espcn", "channels": [6, 5], "anchor": "nearest"},
    {"kind": "fsrcnn", "channels": [6, 3], "layers": 2},
]


def network_of(keys: dict[str, Any]) -> Any:
    torch.manual_seed(3)
    network = build_network("mine", NetworkSettings.model_validate({"architecture": keys})).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, dtype=torch.float64) * 0.1)
    return network.eval()


@pytest.mark.parametrize("keys", KINDS)
def test_folded_is_the_same_function(keys: dict[str, Any]) -> None:
    network = network_of(keys)
    folded = fold(network)
    for size in FRAMES:
        frame = torch.rand(1, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected = network(frame)
            assert expected.shape == (1, 3, 2 * size[0], 2 * size[1])
            assert (folded(frame) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("size", [(8, 6), (5, 7)])
def test_a_stride_equals_blocks_as_channels(size: tuple[int, int]) -> None:
    """The oracle rearranges blocks into channels, after it padded odd sizes with zeros, and crops."""
    trunk = network_of(
        {"kind": "plain", "channels": 5, "layers": 1, "unshuffle": 2, "activation": "relu"}
    ).trunk
    tensors = {name: tensor.numpy() for name, tensor in trunk.state_dict().items()}
    image = np.random.default_rng(0).random((1, *size))
    padded = np.zeros((1, size[0] + size[0] % 2, size[1] + size[1] % 2))
    padded[:, : size[0], : size[1]] = image
    channels = np.concatenate([padded[:, i::2, j::2] for i in range(2) for j in range(2)])
    first = tensors["conv1.weight"].reshape(5, 1, 3, 2, 3, 2).transpose(0, 3, 5, 1, 2, 4).reshape(5, 4, 3, 3)
    features = np.maximum(oracle.convolve(channels, first, tensors["conv1.bias"]), 0)
    features = np.maximum(oracle.convolve(features, tensors["conv2.weight"], tensors["conv2.bias"]), 0)
    features = oracle.convolve(features, tensors["conv3.weight"], tensors["conv3.bias"])
    expected = oracle.depth_to_space(oracle.depth_to_space(features))[:, : 2 * size[0], : 2 * size[1]]
    with torch.inference_mode():
        found = trunk.residual(torch.from_numpy(image)[None])[0].numpy()
    assert np.abs(found - expected).max() < 1e-12


def test_hardtanh_keeps_every_range_between_0_and_1() -> None:
    architecture = MODELS["quicksrnet_s"].architecture
    assert architecture is not None
    trunk, seen = Trunk(architecture), []
    for convolution in trunk.convolutions[1:]:
        convolution.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        trunk(100 * torch.randn(1, 3, 16, 16))
    assert len(seen) == 3
    assert all(tensor.min() == 0 and tensor.max() == 1 for tensor in seen)


@pytest.mark.parametrize("keys", [KINDS[12], KINDS[17], KINDS[-3]])
def test_without_an_anchor_training_begins_at_an_interpolation(keys: dict[str, Any]) -> None:
    network = build_network("mine", NetworkSettings.model_validate({"architecture": keys}))
    planes = network.trunk.architecture.planes
    image = np.random.default_rng(5).random((planes, 7, 9), np.float32)
    with torch.inference_mode():
        found = network.trunk(torch.from_numpy(image)[None]).numpy()[0]
    carried = slice(0, min(planes, network.trunk.convolutions[0].out_channels))
    kernel = "nearest" if keys.get("last_kernel") == 1 else "bilinear"
    expected = oracle.upsample(image.astype(np.float64), kernel)[carried]
    assert np.abs(found[carried] - expected)[:, 2:-2, 2:-2].max() < 1e-6


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "plain", "channels": 0, "layers": 4}, "greater than or equal to 1"),
        ({"kind": "plain", "channels": 16, "layers": -1}, "greater than or equal to 0"),
        ({"kind": "plain", "channels": 16, "layers": 4, "first_kernel": 4}, "1, 3, 5, 7 or 9"),
        ({"kind": "plain", "channels": 16, "layers": 4, "unshuffle": 3}, "1 or 2"),
        (
            {"kind": "plain", "channels": 16, "layers": 4, "unshuffle": 2, "anchor": "none"},
            "expected anchor bic",
        ),
        ({"kind": "plain", "channels": 16, "layers": 4, "scale": 9}, "less than or equal to 8"),
        ({"kind": "espcn", "channels": [64]}, "at least 2 items"),
        ({"kind": "espcn", "channels": [64, 32, 16]}, "at most 2 items"),
        ({"kind": "sesr", "channels": 16}, "'plain', 'espcn', 'fsrcnn'"),
    ],
)
def test_what_can_not_be(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parsed(**keys)
