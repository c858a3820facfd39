"""Trained weights: safetensors files, each with a record (JSON) of its origin."""

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.file_kinds import kind_of_file, remedy
from superres.models.networks import NETWORKS, Network, build_network
from superres.models.settings import PRETRAINED, weights_name


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


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's tensors as float32 safetensors, whole or not at all."""
    tensors = {name: tensor.detach().float().contiguous() for name, tensor in network.state_dict().items()}
    with Outputs({"weights": str(path)}) as outputs:
        # Not save_file: only the owner could read its file.
        outputs["weights"].write_bytes(safetensors.torch.save(tensors))


def load_weights(network: Network, path: Path) -> Network:
    """Load a weights file into a network and return it in evaluation mode.

    Raises UserError if the file can't be read, or a tensor is missing, surplus, of another shape or not
    finite.
    """
    if (kind := kind_of_file(path)) is not None:
        raise UserError(
            f"{path}: expected weights (safetensors), found {kind}; {remedy(kind, 'correct its path')}"
        )
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: expected weights (safetensors), found something else: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in sorted(expected.keys() | tensors.keys()):
        found = tuple(tensors[name].shape) if name in tensors else None
        if found != expected.get(name):
            raise UserError(
                f"{path}: tensor '{name}': expected {_shape(expected.get(name))}, found {_shape(found)}; "
                f"these are {_described(tensors)}, not of this network"
            )
        if not tensors[name].isfinite().all():
            raise UserError(f"{path}: tensor '{name}': expected finite values, found NaN or infinity")
    network.load_state_dict(tensors)
    return network.eval()


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
