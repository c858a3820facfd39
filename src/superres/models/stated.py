"""Check weights by the network that their file names. Imports nothing heavy.

No tensor shows a network's activation or anchor; the file's metadata do.
"""

from pathlib import Path
from typing import Any

import safetensors
from pydantic import TypeAdapter, ValidationError

from superres.device.base.errors import UserError
from superres.models.architectures import ARCHITECTURE, UNSEEN, Architecture

_NETWORK: TypeAdapter[Any] = TypeAdapter(Architecture)


def check_stated(expected: Architecture, path: Path) -> None:
    """Raise UserError if a weights file names other layers than those of a network, or what none shows.

    Files of others name nothing: their tensors are compared when they are loaded, as those of all. So is what
    isn't safetensors.
    """
    found = _stated(path)
    if found is None:
        return
    planes, others = (network.convolutions(network.planes) for network in (expected, found))
    keys = [*(expected.model_dump() if planes != others else ()), *UNSEEN]
    for key in keys:
        # `kind` comes before the keys that not every kind has.
        wanted, other = getattr(expected, key), getattr(found, key)
        if wanted != other:
            raise UserError(
                f"{path}: expected weights of a network with {key} {wanted}, found {key} {other}; name other "
                "weights, or another model or architecture"
            )


def _stated(path: Path) -> Architecture | None:
    try:
        with safetensors.safe_open(path, "numpy") as file:
            text = (file.metadata() or {}).get(ARCHITECTURE)
    except (OSError, safetensors.SafetensorError):
        # Whoever loads it says more.
        return None
    try:
        return _NETWORK.validate_json(text) if text else None
    except ValidationError as error:
        raise UserError(
            f"{path}: expected weights of a network that this version knows, found {text}; train it anew"
        ) from error
