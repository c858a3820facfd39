"""The machines that a study's arms run on."""

from collections.abc import Mapping
from typing import Any

from superres.device.base.errors import UserError
from superres.targets.settings import Device, Local, Target

LOCAL = "local"


def parse_targets(full: Mapping[str, Any]) -> dict[str, Target]:
    """The targets of a completed configuration, by their names.

    Raises UserError for a name that is given twice, a device without an address, keys of a device at `local`, and
    runtimes that the study doesn't have.
    """
    targets: dict[str, Target] = {}
    for i, entry in enumerate(_entries(full)):
        key, name = f"targets[{i}]", entry["name"]
        if name in targets:
            raise UserError(f"{key}.name: expected a name of its own, found {name!r} a second time")
        _check_runtimes(full, entry, key)
        targets[name] = _target(entry, key)
    return targets


def targets_of(full: Mapping[str, Any], runtime: str) -> list[str]:
    """Names of the targets that run a runtime's arms."""
    return [entry["name"] for entry in _entries(full) if runtime in entry.get("runtimes", [runtime])]


def _entries(full: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"name": entry} if isinstance(entry, str) else entry for entry in full["targets"]]


def _target(entry: Mapping[str, Any], key: str) -> Target:
    name = entry["name"]
    settings = {k: value for k, value in entry.items() if k not in ("name", "runtimes")}
    if name != LOCAL:
        if "ssh" not in settings:
            raise UserError(f"{key}: expected ssh, the address of {name}, found none")
        return Device(name, **settings)
    # Defaults of a device, which the schema fills in wherever a target has keys, say nothing here.
    written = [k for k, value in settings.items() if value != getattr(Device, k, None)]
    if written:
        raise UserError(
            f"{key}.{written[0]}: expected no such key for {LOCAL}, which is this machine; give a device another name"
        )
    return Local()


def _check_runtimes(full: Mapping[str, Any], entry: Mapping[str, Any], key: str) -> None:
    known = [runtime["name"] for runtime in full["runtimes"]]
    for j, runtime in enumerate(entry.get("runtimes", ())):
        if runtime not in known:
            raise UserError(
                f"{key}.runtimes[{j}]: expected a name from `runtimes` ({', '.join(known)}), found {runtime!r}"
            )
