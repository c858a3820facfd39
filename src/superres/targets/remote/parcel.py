"""A job as it travels: the worker as one file, the job with the device's paths, and its files by hash."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from superres import device as device_package
from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.device.job import Job, side_files
from superres.device.machine.facts import cache_folder
from superres.targets.settings import Device

_MAIN = "import sys\nfrom superres.device.agent.commands import main\nsys.exit(main(sys.argv[1:]))\n"
# The earliest time that an archive can hold: the same sources give the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REMEMBERED_FROM = 1 << 24
"""Smaller files, in bytes, are hashed faster than looked up."""


@dataclass(frozen=True)
class Worker:
    """The bytes of the worker's archive, and their SHA-256."""

    content: bytes
    sha256: str


@cache
def pack_worker() -> Worker:
    """Pack `superres.device` into a zip archive that Python runs.

    The same sources give the same bytes on every machine.
    """
    package = Path(device_package.__path__[0])
    root = package.parents[1]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in package.rglob("*.py")}
    # The device needs only the name of the package around it.
    files |= {"superres/__init__.py": b"", "__main__.py": _MAIN.encode("utf-8")}
    archive = io.BytesIO()
    # Not compressed: the bytes would depend on the version of zlib.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name in sorted(files):
            file.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    content = archive.getvalue()
    return Worker(content, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Parcel:
    """A job as it travels: its key, the job with the device's paths, and each path's SHA-256 and size.

    `local` maps a hash to the file on this machine, `names` a path on the device to the path here.
    """

    key: str
    job: Job
    files: Mapping[str, tuple[str, int]]
    local: Mapping[str, Path]
    names: Mapping[str, str]


def pack_job(job: Job, device: Device, worker: Worker, cpus: int) -> Parcel:
    """Return the parcel of a job for a device with `cpus` processors."""
    threads = device.threads or cpus
    files: dict[str, tuple[str, int]] = {}
    local: dict[str, Path] = {}
    names: dict[str, str] = {}
    inputs, outputs = {}, {}
    for name, path in job.inputs.items():
        inputs[name] = f"in/{name}/{Path(path).name}"
        names[inputs[name]] = path
        for file in (Path(path), *side_files(name, Path(path))):
            if not file.is_file():
                raise UserError(f"{file}: expected a file, found none")
            sha256, size = hash_input(file)
            files[f"in/{name}/{file.name}"] = (sha256, size)
            local[sha256] = file
    for name, path in job.outputs.items():
        outputs[name] = f"out/{name}/{Path(path).name}"
        names[outputs[name]] = path
    there = replace(job, threads=threads, inputs=inputs, outputs=outputs, conditions=device.conditions)
    identity = json.dumps([worker.sha256, device.python, asdict(there), files], sort_keys=True)
    return Parcel(hashlib.sha256(identity.encode("utf-8")).hexdigest(), there, files, local, names)


def hash_input(path: Path) -> tuple[str, int]:
    """Return the SHA-256 and size [bytes] of a file.

    The hash of a large file is remembered until its place, size, inode or time of change differ: a long clip
    takes minutes.
    """
    facts = path.stat()
    if facts.st_size < _REMEMBERED_FROM:
        return sha256_file(path), facts.st_size
    real = str(path.resolve())
    identity = [real, facts.st_size, facts.st_ino, facts.st_mtime_ns]
    receipt = cache_folder() / "sha256" / f"{hashlib.sha256(real.encode()).hexdigest()}.json"
    known = _read(receipt)
    if known.get("identity") == identity:
        return known["sha256"], facts.st_size
    sha256 = sha256_file(path)
    with Outputs({"receipt": str(receipt)}) as outputs:
        write_json(outputs["receipt"], {"identity": identity, "sha256": sha256})
    return sha256, facts.st_size


def _read(receipt: Path) -> dict:
    try:
        content = json.loads(receipt.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
