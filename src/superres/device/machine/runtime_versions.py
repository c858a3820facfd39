"""What an engine on this machine depends on besides its graph, found without importing a runtime."""

from importlib import metadata
from pathlib import Path
from typing import Dict

from superres.device.runtimes import about

_CARDS = Path("/proc/driver/nvidia/gpus")
_MODULE = Path("/proc/device-tree/model")


def engine_identity(runtime: str) -> Dict[str, str]:
    """Version of a runtime and, where its engines belong to one,
    the device: where one changes, an engine has to be built again.

    Empty for what isn't installed, and for runtimes whose engines fit every version. Reads package metadata
    and /proc alone: no driver and no library is touched.
    """
    facts, found = about(runtime), {}
    for name in facts.distributions:
        try:
            found["version"] = metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    if facts.device_bound:
        found["device"] = ", ".join(_devices())
    return found


def _devices() -> "list[str]":
    """Names of the NVIDIA cards, or of the Jetson module; none without a driver."""
    cards = [_model_of(card / "information") for card in sorted(_CARDS.glob("*"))]
    if not cards and _MODULE.is_file():
        cards = [_MODULE.read_text(encoding="utf-8").strip("\0\n ")]
    return cards


def _model_of(card: Path) -> str:
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model:")), "unknown")
