"""Trained weights: safetensors files, each with a record (JSON) of its origin."""

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.file_kinds import kind_of_file, remedy
from superres.models.architectures import ARCHITECTURE
from superres.models.networks import NETWORKS, Network, build_network
from superres.models.settings import PRETRAINED, weights_name
from superres.models.stated import check_stated


def pretrained(model: str) -> Path:
    """Return the shipped weights of a model; `records/` has their record.

    Raises UserError if there are none.
    """
    path = PRETRAINED / f"{weights_name(model)}.safetensors"
    if weights_name(model) not in NETWORKS or not path.is_file():
        found = ", ".join(sorted(p.stem for p in PRETRAINED.glob("*.safetensors"))) or "none"
        raise UserError(
            f"weights: pretrained: expected a model that has shipped weights ({found}), found '{model}'; "
            "set its weights to `train`"
        )
    return path


def save_weights(network: Network, path: Path) -> None:
    """Write a network's tensors as float32 safetensors, with its architecture, whole or not at all."""
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in network.state_dict().items()}
    with Outputs({"weights": str(path)}) as outputs:
        # One entry alone: safetensors writes several in any order. Not save_file: only the owner could read
        # its file.
        facts = {ARCHITECTURE: network.trunk.architecture.model_dump_json()}
        outputs["weights"].write_bytes(safetensors.torch.save(tensors, facts))


def load_weights(network: Network, path: Path) -> Network:
    """Load a weights file into a network and return it in evaluation mode.

    Raises UserError if the file can't be read, or a tensor is missing, surplus, of another shape, not
    floating point or not finite, or if the file names another network (`check_stated`).
    """
    tensors = _read(path)
    _check_tensors(path, tensors, network)
    check_stated(network.trunk.architecture, path)
    network.load_state_dict(tensors)
    return network.eval()


def _read(path: Path) -> dict[str, Tensor]:
    if (kind := kind_of_file(path)) is not None:
        raise UserError(
            f"{path}: expected weights (safetensors), found {kind}; {remedy(kind, 'correct its path')}"
        )
    try:
        with safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(
            f"{path}: expected weights (safetensors), found something else ({error}); correct its path, or "
            "fetch or train them again"
        ) from error


def _check_tensors(path: Path, tensors: Mapping[str, Tensor], network: Network) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != expected.get(name):
            raise UserError(
                f"{path}: tensor '{name}': expected {_shape(expected.get(name))}, found {_shape(found)}; "
                f"these are {_described(tensors)}, not of this network"
            )
        kind = str(tensors[name].dtype).removeprefix("torch.")
        if not tensors[name].is_floating_point():
            raise UserError(
                f"{path}: tensor '{name}': expected floating point, found {kind}; train them anew"
            )
        if not tensors[name].isfinite().all():
            raise UserError(
                f"{path}: tensor '{name}': expected finite values, found NaN or infinity; train them anew"
            )


def _described(tensors: Mapping[str, Tensor]) -> str:
    """Return whose weights tensors are, as far as their shapes tell."""
    found = {name: tensor.shape for name, tensor in tensors.items()}
    fitting = [
        name
        for name in NETWORKS
        if found == {key: tensor.shape for key, tensor in build_network(name).state_dict().items()}
    ]
    return f"weights of {' or '.join(fitting)}" if fitting else "other weights"


def _shape(shape: tuple[int, ...] | None) -> str:
    return "no such tensor" if shape is None else "x".join(map(str, shape))
