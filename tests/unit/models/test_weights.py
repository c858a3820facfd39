"""Weights: files, and the shipped ones on a photograph that a dependency carries."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from superres.data.resampling import downsample
from superres.device.base.errors import UserError
from superres.device.frames.pixels import enlarge_bicubic
from superres.models.architectures import Plain
from superres.models.networks import NETWORKS, Network, build_network
from superres.models.settings import MODELS, PRETRAINED, NetworkSettings, is_shipped
from superres.models.training.validation import psnr_y_db, upscale
from superres.models.weights import load_weights, pretrained, save_weights

MakeNetwork = Callable[..., Network]
SHIPPED = [*filter(is_shipped, NETWORKS)]


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
    message = (
        r"luma\.safetensors: tensor 'trunk\.conv1\.weight': expected 96x3x5x5, found 96x1x5x5; "
        "these are weights of espcn_ycbcr or espcn_anchor, not of this network"
    )
    with pytest.raises(UserError, match=message):
        load_weights(build_network("espcn_rgb"), path)


@pytest.mark.parametrize(
    ("key", "keys", "found"),
    [
        ("anchor", {"kind": "plain", "channels": 8, "layers": 4, "anchor": "nearest"}, "bicubic"),
        ("activation", {"kind": "plain", "channels": 8, "layers": 4, "activation": "hardtanh"}, "relu"),
        ("anchor", {"kind": "espcn", "channels": [96, 48]}, "none"),
    ],
)
def test_what_no_tensor_shows_is_compared_too(
    tmp_path: Path, key: str, keys: dict[str, object], found: str
) -> None:
    """Shipped weights and new ones, copied, into a network with tensors of the same shapes."""
    settings = NetworkSettings.model_validate({"architecture": keys})
    shipped = "plain_c8_m4" if keys["kind"] == "plain" else "espcn_ycbcr"
    shutil.copy(pretrained(shipped), tmp_path / "copied.safetensors")
    save_weights(build_network(shipped), tmp_path / "new.safetensors")
    for name in ("copied", "new"):
        network = build_network("mine", settings)
        expected = getattr(network.trunk.architecture, key)
        message = (
            rf"{name}\.safetensors: expected weights of a network with {key} {expected}, found {key} {found}"
        )
        with pytest.raises(UserError, match=message):
            load_weights(network, tmp_path / f"{name}.safetensors")
        load_weights(build_network(shipped), tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("model", SHIPPED)
def test_shipped_weights_are_what_is_written_today(tmp_path: Path, model: str) -> None:
    """With the entry of their architecture; the same weights trained again are the same file."""
    save_weights(load_weights(build_network(model), pretrained(model)), tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == pretrained(model).read_bytes()


def test_weights_of_others_say_nothing_of_their_architecture(tmp_path: Path) -> None:
    network = build_network("plain_c8_m4")
    path = tmp_path / "w.safetensors"
    safetensors.torch.save_file(network.state_dict(), path, {"format": "pt"})
    load_weights(network, path)
    safetensors.torch.save_file(network.state_dict(), path, {"superres.architecture": "plain"})
    with pytest.raises(UserError, match="a network that this version knows, found plain"):
        load_weights(network, path)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    network = build_network("plain_c8_m4")
    for name in "ab":
        save_weights(network, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


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


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64])
def test_tensors_of_another_kind(make_network: MakeNetwork, tmp_path: Path, kind: torch.dtype) -> None:
    tensors = {name: tensor.to(kind) for name, tensor in make_network("plain_c8_m4").state_dict().items()}
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=rf"expected floating point, found {str(kind)[6:]}; train"):
        load_weights(build_network("plain_c8_m4"), tmp_path / "w.safetensors")


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


PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.mark.parametrize("model", SHIPPED)
def test_record_promises_a_gain_over_bicubic(model: str) -> None:
    record = json.loads((PRETRAINED / "records" / f"{model}.json").read_text())
    assert record["model"] == model
    weak = (Plain(channels=8, layers=4), Plain(channels=32, layers=4, unshuffle=2))
    gain = 1.7 if MODELS[model].architecture in weak else 2.0
    assert record["validation_psnr_y_db"] >= record["bicubic_psnr_y_db"] + gain
    assert not set(record["data"]["training"]["names"]) & set(record["data"]["validation"]["names"])
    assert pretrained(model).stat().st_size < 1_000_000


@pytest.mark.parametrize("model", SHIPPED)
def test_better_than_bicubic_on_a_photograph_it_never_saw(model: str) -> None:
    # Halved first, which takes the JPEG artefacts away.
    photograph = downsample(np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[:600, :512], "area", 2)
    low = downsample(photograph, "bicubic", 2)
    network = load_weights(build_network(model), pretrained(model))
    gain = psnr_y_db(upscale(network, low), photograph, 2)
    gain -= psnr_y_db(enlarge_bicubic(low, 2), photograph, 2)
    assert gain > 1.0


COMPARED = Path(__file__).parents[3] / "studies/weights"


@pytest.mark.parametrize("model", ["espcn_rgb", "espcn_ycbcr"])
def test_weights_for_comparison_had_the_shipped_recipe_without_noise(model: str) -> None:
    """And are as good in FP32, on the same images."""
    path = COMPARED / f"{model}_quiet.safetensors"
    load_weights(build_network(model), path)
    assert path.stat().st_size < 1_000_000
    quiet = json.loads(path.with_suffix(".json").read_text())
    shipped = json.loads((PRETRAINED / "records" / f"{model}.json").read_text())
    assert quiet["data"] == shipped["data"]
    asked = {"int8_noise": 0.0} | {key: shipped["settings"][key] * 2 // 5 for key in ("steps", "l1_steps")}
    assert {key: quiet["settings"][key] for key in shipped["settings"]} == shipped["settings"] | asked
    assert quiet["validation_psnr_y_db"] == pytest.approx(shipped["validation_psnr_y_db"], abs=0.05)
