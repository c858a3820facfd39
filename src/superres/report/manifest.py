"""The manifest of an arm on a clip: what ran where, on which files, from which study and code."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, recorded_path, sha256_file, write_json


@dataclass(frozen=True, order=True)
class ArmOnClip:
    """An arm and the clip that it is evaluated on."""

    target: str
    runtime: str
    model: str
    precision: str
    clip: str

    @property
    def folder(self) -> str:
        """The arm's folder, without its clip."""
        return f"{self.target}/{self.runtime}/{self.model}/{self.precision}"

    @property
    def label(self) -> str:
        """The arm's name in messages."""
        return f"{self.folder} on {self.clip}"


@dataclass(frozen=True)
class Background:
    """An arm's part of the study, the code and the installed libraries.

    `study` holds the study's keys about the arm. `code` comes from `code_version.describe_code`.
    `libraries` are versions by name.
    """

    study: Mapping[str, Any]
    code: Mapping[str, Any]
    libraries: Mapping[str, str]


def write_manifest(
    arm: ArmOnClip,
    records: Mapping[str, Path],
    *,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    background: Background,
    out: Path,
    timed_on: str | None = None,
) -> None:
    """Merge the records of an arm's tasks with the hashes of its files and its background.

    `records` are those of `engine`, `quality` and `latency`. `inputs` are the files that the arm is made
    from, by name: its ONNX file (`onnx`), weights, ranges, the clip. `outputs` are the engine and the raw
    figures. `timed_on` is the clip of `latency` if it isn't the arm's: one with frames of the same size. The
    status is `ok` if all records are; otherwise that of the first that is not. Raises
    UserError if the records belong to different arms, clips or engines.
    """
    found = {name: _read_record(path) for name, path in records.items()}
    for name, path in records.items():
        of = replace(arm, clip=timed_on) if name == "latency" and timed_on else arm
        check_record(of, path, found[name], found["engine"])
    manifest = {
        "status": next((r["status"] for r in found.values() if r["status"] != "ok"), "ok"),
        **asdict(arm),
        "study": dict(background.study),
        "study_sha256": study_digest(background.study),
        "inputs": {name: describe_file(path) for name, path in inputs.items()},
        "outputs": {name: describe_file(path) for name, path in outputs.items()},
        "seconds": {name: record.get("seconds") for name, record in found.items()},
        "measured": _newest_day(records.values()),
        "libraries": dict(background.libraries),
        **found,
        "code": dict(background.code),
    }
    with Outputs({"manifest": str(out)}) as files:
        write_json(files["manifest"], manifest)


def _newest_day(records: Iterable[Path]) -> str:
    """Return the day (UTC) of the newest record: later, times of files say when they were copied."""
    latest = max(path.stat().st_mtime for path in records)
    return datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d")


def describe_file(path: Path) -> dict[str, Any]:
    """Return a file's path (its name if it lies elsewhere), size and SHA-256."""
    return {"path": recorded_path(path.as_posix()), "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def study_digest(study: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a study's values, as JSON with sorted keys."""
    return hashlib.sha256(json.dumps(study, sort_keys=True).encode()).hexdigest()


def _read_record(path: Path) -> dict[str, Any]:
    return read_json(path, ("status", "runtime", "precision"))


def check_record(arm: ArmOnClip, path: Path, record: Mapping[str, Any], engine: Mapping[str, Any]) -> None:
    """Raise UserError if a record, read from `path`, belongs to another arm, clip or engine."""
    expected: dict[str, Any] = {"runtime": arm.runtime, "precision": arm.precision, "clip": arm.clip}
    if record["status"] == "ok":
        expected["engine_sha256"] = engine.get("engine_sha256")
    for key, value in expected.items():
        # The engine's record has no clip, and one that did not run has few keys.
        found = record.get(key, value)
        if found != value:
            raise UserError(
                f"{path}: expected {key} {value} for {arm.label}, found {found}; run the task again"
            )


def scale_of(record: Mapping[str, Any], path: Path) -> int:
    """Return the scale of an arm's model, from the record of one of its tasks, read from `path`."""
    scale = record.get("settings", {}).get("options", {}).get("scale")
    if scale is None:
        raise UserError(f"{path}: expected a scale in the settings' options, found none; measure again")
    return scale
