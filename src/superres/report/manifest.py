"""One readable file that says all about an arm on a clip: what ran, where, on which files, from which study."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superres.device.errors import UserError
from superres.device.machine import sha256_file
from superres.device.outputs import Outputs, read_json, write_json


@dataclass(frozen=True, order=True)
class Arm:
    """One cell of the table: an arm and the clip it is evaluated on."""

    target: str
    runtime: str
    model: str
    precision: str
    clip: str

    @property
    def folder(self) -> str:
        """The arm without its clip, as its folder is called."""
        return f"{self.target}/{self.runtime}/{self.model}/{self.precision}"

    @property
    def label(self) -> str:
        """The arm in messages."""
        return f"{self.folder} on {self.clip}"


def write_manifest(
    arm: Arm,
    engine_record: Path,
    quality_record: Path,
    latency_record: Path,
    *,
    inputs: Mapping[str, Path],
    study: Mapping[str, Any],
    commit: str,
    out: Path,
) -> None:
    """Merge the records of an arm's three tasks with the hashes of `inputs`, the study and the commit.

    `inputs` are the files behind the arm by name (`onnx` for its ONNX file, weights, ranges, the clip).
    The status is `ok` only if all three are; otherwise it is that of the first that is not. Raises
    UserError if the records are of different arms, clips or engines.
    """
    records = {
        name: _read_record(path)
        for name, path in (
            ("engine", engine_record),
            ("quality", quality_record),
            ("latency", latency_record),
        )
    }
    status = next((r["status"] for r in records.values() if r["status"] != "ok"), "ok")
    for name, path in (("engine", engine_record), ("quality", quality_record), ("latency", latency_record)):
        check_record(arm, path, records[name], records["engine"])
    manifest = {
        "status": status,
        **asdict(arm),
        "commit": commit,
        "study": dict(study),
        "inputs": {
            name: {"path": path.as_posix(), "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for name, path in inputs.items()
        },
        **records,
    }
    with Outputs({"manifest": str(out)}) as outputs:
        write_json(outputs["manifest"], manifest)


def _read_record(path: Path) -> dict[str, Any]:
    return read_json(path, ("status", "runtime", "precision"))


def check_record(arm: Arm, path: Path, record: Mapping[str, Any], engine: Mapping[str, Any]) -> None:
    """Raise UserError if a task's record, read from `path`, is not of this arm, its clip and its engine."""
    expected: dict[str, Any] = {"runtime": arm.runtime, "precision": arm.precision, "clip": arm.clip}
    if record["status"] == "ok":
        expected["engine_sha256"] = engine.get("engine_sha256")
    for key, value in expected.items():
        # The engine's record knows no clip, and one that did not run knows little.
        found = record.get(key, value)
        if found != value:
            raise UserError(
                f"{path}: expected {key} {value} for {arm.label}, found {found}; run the task again"
            )
