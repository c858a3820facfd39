"""Checkpoints: the state that an interrupted training resumes from, to the bit."""

import hashlib
import json
import pickle
import zipfile
from ast import literal_eval
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.models.settings import TrainingSettings

# These don't change the weights.
_PACING = ("log_every", "checkpoint_every", "validate_every")


BROKEN = (KeyError, TypeError, ValueError, AttributeError, RuntimeError)
"""What the content of a broken checkpoint raises."""


def training_identity(
    model: str,
    architecture: dict[str, Any],
    settings: TrainingSettings,
    training: Sequence[Path],
    validation: Sequence[Path],
) -> dict[str, str]:
    """Return the facts that a checkpoint must match: model, its layers, settings, hashes of the indices."""
    chosen = {name: str(value) for name, value in settings.model_dump().items() if name not in _PACING}
    indices = {"training set": training, "validation set": validation}
    hashes = {
        kind: hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
        for kind, paths in indices.items()
    }
    return {"model": model, "architecture": str(architecture), **chosen, **hashes}


def save_checkpoint(state: dict[str, Any], identity: dict[str, str], path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    with Outputs({"checkpoint": str(path)}) as outputs:
        torch.save({"identity": json.dumps(identity), "state": state}, outputs["checkpoint"])


def load_checkpoint(path: Path, identity: dict[str, str]) -> dict[str, Any]:
    """Return the state that `save_checkpoint` wrote; only tensors and plain values are unpickled.

    Raises UserError if the file is no checkpoint, or has another identity.
    """
    try:
        content = torch.load(path, weights_only=True)
        found = dict(json.loads(content["identity"]))
        state = content["state"]
    except (*BROKEN, OSError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise unreadable(path, error) from error
    for name, value in identity.items():
        if found.get(name) != value:
            raise UserError(
                f"{path}: checkpoint of another training: {_difference(name, value, found.get(name))}; "
                "set it back, or delete the checkpoint to train anew"
            )
    return state


def _difference(name: str, expected: str, found: str | None) -> str:
    """Say what differs; of layers their first key that does."""
    if name == "architecture" and found is not None:
        theirs = literal_eval(found)
        for key, value in literal_eval(expected).items():
            if theirs.get(key) != value:
                return f"{name}.{key}: expected {value}, found {theirs.get(key)}"
    return f"{name}: expected {expected}, found {found}"


def unreadable(path: Path, error: Exception) -> UserError:
    """Return the error of a file that is no checkpoint, or has another state than this version writes."""
    said = "" if isinstance(error, pickle.UnpicklingError) else str(error)
    # torch's advice about other pickles is to execute them.
    reason = said.splitlines()[0] if said else type(error).__name__
    return UserError(
        f"{path}: expected a checkpoint, found something else ({reason}); delete it to train anew"
    )
