from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from superres.device.base.errors import UserError
from superres.models.networks import NETWORKS, Network, build_network
from superres.models.weights import load_weights, pretrained, save_weights

MakeNetwork = Callable[..., Network]


@pytest.mark.parametrize("model", NETWORKS)
def test_round_trip(make_network: MakeNetwork, tmp_path: Path, model: str) -> None:
    network = make_network(model).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    path = tmp_path / "new" / "weights.safetensors"
    save_weights(network, path)
    loaded = load_weights(build_network(model), path)
    assert not loaded.training
    expected = network.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert [p.name for p in path.parent.iterdir()] == ["weights.safetensors"]


def test_another_models_weights_name_tensor_and_shapes(make_network: MakeNetwork, tmp_path: Path) -> None:
    path = tmp_path / "luma.safetensors"
    save_weights(make_network("espcn_ycbcr"), path)
    message = r"luma\.safetensors: tensor 'trunk\.conv1\.weight': expected 96x3x5x5, found 96x1x5x5"
    with pytest.raises(UserError, match=message):
        load_weights(build_network("espcn_rgb"), path)


def test_missing_and_surplus_tensors(make_network: MakeNetwork, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = dict(make_network("espcn_rgb").state_dict())
    safetensors.torch.save_file({**tensors, "zz": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="tensor 'zz': expected no such tensor, found 2"):
        load_weights(build_network("espcn_rgb"), path)
    tensors.pop("trunk.conv2.bias")
    safetensors.torch.save_file(tensors, path)
    with pytest.raises(UserError, match=r"'trunk\.conv2\.bias': expected 48, found no such tensor"):
        load_weights(build_network("espcn_rgb"), path)


def test_values_that_are_not_finite(make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network("espcn_rgb")
    with torch.no_grad():
        network.get_parameter("trunk.conv2.bias")[3] = float("nan")
    save_weights(network, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"'trunk\.conv2\.bias': expected finite values"):
        load_weights(build_network("espcn_rgb"), tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [None, b"", b"\x10\0\0\0\0\0\0\0{not json        "])
def test_a_file_that_holds_no_weights(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors: expected weights"):
        load_weights(build_network("espcn_rgb"), path)


def test_no_pretrained_weights() -> None:
    with pytest.raises(UserError, match=r"pretrained.*found 'bicubic'"):
        pretrained("bicubic")
