"""A job as it travels: paths on the device, and files by their hashes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from superres.device.base.errors import UserError
from superres.device.job import Job, side_files
from superres.targets.remote.hashes import hash_input
from superres.targets.remote.pack import Worker
from superres.targets.settings import Device


@dataclass(frozen=True)
class Parcel:
    """A job as it travels: its key, the job with the device's
    paths, and by those paths the files' hashes and sizes.

    `local` has the file on this machine by its hash, `names` the paths here by those on the device.
    """

    key: str
    job: Job
    files: Mapping[str, tuple[str, int]]
    local: Mapping[str, Path]
    names: Mapping[str, str]


def pack_job(job: Job, device: Device, worker: Worker, cpus: int) -> Parcel:
    """What travels of a job to a device with some processors."""
    threads = device.threads or cpus
    files: dict[str, tuple[str, int]] = {}
    local: dict[str, Path] = {}
    names: dict[str, str] = {}
    inputs, outputs = {}, {}
    for name, path in job.inputs.items():
        inputs[name] = f"in/{name}/{Path(path).name}"
        names[inputs[name]] = path
        for file in (Path(path), *side_files(name, Path(path))):
            _check_file(file)
            sha256, size = hash_input(file)
            files[f"in/{name}/{file.name}"] = (sha256, size)
            local[sha256] = file
    for name, path in job.outputs.items():
        outputs[name] = f"out/{name}/{Path(path).name}"
        names[outputs[name]] = path
    there = replace(job, threads=threads, inputs=inputs, outputs=outputs, conditions=device.conditions)
    identity = json.dumps([worker.sha256, device.python, asdict(there), files], sort_keys=True)
    return Parcel(hashlib.sha256(identity.encode("utf-8")).hexdigest(), there, files, local, names)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: expected a file, found none")
