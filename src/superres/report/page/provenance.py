"""What made the figures: machines, versions, hashes and the study's settings, from the arms' manifests."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superres.csv_rows import Row
from superres.device.base.outputs import read_json, recorded_path
from superres.report import labels
from superres.report.page.data import Grid, Provenance

_KEYS = ("status", "study", "libraries", "code", "latency")
_NAMED = ("clip", "model", "runtime", "calibration", "calibration_set")
_COMMON = ("quality", "latency", "seed")


def read_provenance(manifests: Sequence[Path], command: str, example: str) -> Provenance:
    """Return what the manifests of a study say in common.

    `command` runs the study's targets, of which `example` is one: the manifest of an arm.
    """
    commits, systems = {}, {}
    libraries: dict[str, dict[str, None]] = {}
    study: dict[str, Any] = {}
    for path in manifests:
        manifest = read_json(path, _KEYS)
        code, machine = manifest["code"], manifest["latency"].get("machine") or {}
        commits[f"{code['commit'] or 'not in git'}{' with changes' if code['changed'] else ''}"] = None
        systems[", ".join(str(machine[key]) for key in ("os", "kernel") if machine.get(key))] = None
        for name, version in manifest["libraries"].items():
            libraries.setdefault(name, {})[version] = None
        _merge(study, manifest["study"])
    facts = {"commit": ", ".join(commits), "system": "; ".join(filter(None, systems))}
    return Provenance(
        command=command,
        example=example,
        facts={key: value for key, value in facts.items() if value},
        libraries={name: ", ".join(versions) for name, versions in sorted(libraries.items())},
        study=json.dumps(study, indent=2, ensure_ascii=False),
    )


def _merge(study: dict[str, Any], found: Mapping[str, Any]) -> None:
    """Add an arm's part of the study: named things by their names, and what all arms share."""
    for kind in _NAMED:
        thing = found.get(kind)
        if isinstance(thing, Mapping) and thing:
            study.setdefault(f"{kind}s", {}).setdefault(str(thing.get("name", len(thing))), dict(thing))
    for key in _COMMON:
        if found.get(key) is not None:
            study.setdefault(key, found[key])


def example_of(metrics: Sequence[Row], arms: Sequence[str]) -> str:
    """Return the manifest of the first of some arms, else of any; empty if the figures name none."""
    named = [row for row in metrics if row["manifest"]]
    best = [row for row in named if labels.arm_folder(row) in arms[:1]] or named
    return best[0]["manifest"] if best else ""


def hashes(metrics: Sequence[Row]) -> Grid:
    """Return the manifests of each arm on each clip, with hashes and version."""
    header = ["Arm", "Clip", "Manifest", "its SHA-256", "engine", "ONNX file", "version of the runtime"]
    keys = ("manifest", "manifest_sha256", "engine_sha256", "onnx_sha256", "runtime_version")
    rows = [
        [labels.arm_label(labels.arm_folder(row)), row["clip"], *(_short(key, row[key]) for key in keys)]
        for row in metrics
    ]
    return Grid(title="Manifests, and first digits of hashes", header=header, rows=rows, names=len(header))


def _short(key: str, value: str | None) -> str:
    return "–" if value is None else value[:12] if key.endswith("sha256") else value


def measured_on(manifests: Sequence[Path]) -> str:
    """Return the day (UTC) of a study's newest figures; empty if its manifests know none."""
    return max((read_json(path, _KEYS).get("measured", "") for path in manifests), default="")


def shown_command(command: str) -> str:
    """Return a command that repairs a study for others to read: without folders of this machine."""
    words = shlex.split(command)
    if "--directory" in words:
        place = words.index("--directory")
        del words[place : place + 2]
    return shlex.join(map(recorded_path, words))
