"""What of a study goes to others: its keys, without places and secrets of this machine."""

from collections.abc import Mapping
from typing import Any

from superres.data.download.addresses import redact
from superres.device.base.outputs import recorded_path

# Ways to a device or a mirror: of no use elsewhere.
_PRIVATE = ("ssh_config", "workdir", "mirror")


def shared_study(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration for others.

    Full paths are only names, addresses have no user names, passwords and queries, and a device's address is
    its target's name.
    """
    return _shared(config)


def _shared(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {str(key): _shared(entry) for key, entry in value.items() if key not in _PRIVATE}
        return {**kept, "ssh": kept.get("name", "device")} if "ssh" in kept else kept
    if isinstance(value, list | tuple):
        return [_shared(entry) for entry in value]
    if isinstance(value, str):
        return recorded_path(redact(value))
    return value
