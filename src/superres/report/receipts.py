"""Receipts: the hash of every file of a study, written by the job that made it when it ends.

A receipt lies in `results/{study}/.receipts/`, under the name of its file. It tells a file that was changed
since from one that is as its job left it. Files that a user gives have none, and may change.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, read_json, sha256_file, write_json

FOLDER = ".receipts"
_PLACE = f"{FOLDER}/.place"
JOBS = ".jobs"
"""A file of a study that each of its jobs holds locked: who waits for all of them locks it alone."""
REPAIR_COMMAND = "SUPERRES_REPAIR"
"""The environment variable with the command that repairs the study of a job."""
# Hashing must not show: larger files are read again only if their size or time differs, 0.03 s at most else.
_LARGE = 32 * 2**20
# A job decodes what it reads from elsewhere once, which takes far longer.
_LARGE_SOURCE = 128 * 2**20


@dataclass(frozen=True)
class Content:
    """A file's size, SHA-256 and time of change.

    A large file of a user has no hash, and receipts had no time once.
    """

    bytes: int
    sha256: str | None
    changed_ns: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Receipt:
    """What a job knew of a file that it made.

    `job` is its log's name without the ending: its rule, then its wildcards. `changed_ns` is a time of change
    at which the content was right. `made_of` are the hashes of the inputs in the study's folder, by name.
    `read` are inputs from elsewhere, by path.
    """

    job: str
    bytes: int
    sha256: str
    changed_ns: int
    made_of: Mapping[str, str]
    read: Mapping[str, Content]

    @property
    def rule(self) -> str:
        """The name of the job's rule."""
        return self.job.partition("/")[0]


@dataclass(frozen=True)
class Used:
    """The inputs of a job as it found them; see `Receipt`."""

    made_of: Mapping[str, str]
    read: Mapping[str, Content]


class Receipts:
    """The receipts of one study, whose folder is `study`. Names of files are relative to it."""

    def __init__(self, study: Path):
        self.study = study

    @classmethod
    def of_log(cls, log: Path) -> "Receipts | None":
        """Return the receipts of the study that a job's log belongs to: `results/{study}/logs/...`."""
        folders = log.parts[:-1]
        return cls(Path(*folders[: folders.index("logs", 2)])) if "logs" in folders[2:] else None

    def read(self, name: str) -> Receipt | None:
        """Return the receipt of a file; None without one, or if it is damaged."""
        try:
            facts = read_json(self._path(name), ("job", "bytes", "sha256", "changed_ns", "made_of", "read"))
            facts |= {"read": {path: Content(**c) for path, c in facts["read"].items()}}
            facts |= {key: dict(facts[key]) for key in ("made_of", "read")}
            return Receipt(**{**facts, "job": str(facts["job"])})
        except (UserError, TypeError, AttributeError, ValueError):
            return None

    def read_all(self) -> dict[str, Receipt]:
        """Return all receipts by the name of their file."""
        return dict(self.read_some(lambda name: True))

    def read_some(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Receipt]]:
        """Yield the receipts of files whose names are wanted, with these names."""
        for name in filter(wanted, self.names()):
            if (receipt := self.read(name)) is not None:
                yield name, receipt

    def names(self) -> list[str]:
        """Return the names of all files that have a receipt, sorted."""
        top = (self.study / FOLDER).as_posix()
        files = (f"{folder}/{name}" for folder, _, names in os.walk(top) for name in names)
        return sorted(file[len(top) + 1 : -len(".json")] for file in files if file.endswith(".json"))

    def check(self, inputs: Iterable[str], remedy: str) -> Used:
        """Return the hashes of a job's inputs.

        Raises UserError for an input that was changed after the job that made it; `remedy` is the command
        that makes it again.
        """
        made_of, read = {}, {}
        for path in map(Path, dict.fromkeys(inputs)):
            if path.is_relative_to(self.study):
                made_of[path.relative_to(self.study).as_posix()] = self._checked(path, remedy)
            elif path.is_file():
                read[path.as_posix()] = content_of(path)
        return Used(made_of, read)

    def write(self, job: str, outputs: Iterable[str], used: Used) -> None:
        """Write the receipts of a job's outputs that lie in the study's folder."""
        for path in map(Path, outputs):
            if path.is_relative_to(self.study) and path.is_file():
                facts, digest = path.stat(), sha256_file(path)
                receipt = Receipt(job, facts.st_size, digest, facts.st_mtime_ns, used.made_of, used.read)
                self._save(path.relative_to(self.study).as_posix(), receipt)
        if not (self.study / _PLACE).exists():
            self.remember_place()

    def is_here(self) -> bool:
        """Return whether the study's folder is the one that its jobs ran in, not a copy of it."""
        try:
            return (self.study / _PLACE).read_text(encoding="utf-8") == self._here()
        except OSError:
            return False

    def remember_place(self) -> None:
        """Note where the study's folder is; on a disk that can't be written to, nothing is noted."""
        with suppress(OSError):
            (self.study / _PLACE).write_text(self._here(), encoding="utf-8")

    def _here(self) -> str:
        """Return the numbers of the folder in its file system."""
        status = (self.study / FOLDER).stat()
        return f"{status.st_dev} {status.st_ino}\n"

    def remove(self, name: str) -> None:
        """Remove a file and its receipt."""
        for path in (self.study / name, self._path(name)):
            path.unlink(missing_ok=True)

    def _checked(self, path: Path, remedy: str) -> str:
        name = path.relative_to(self.study).as_posix()
        receipt = self.read(name)
        if receipt is None:
            # Made before there were receipts.
            return sha256_file(path)
        facts = path.stat()
        if facts.st_size == receipt.bytes:
            if facts.st_size > _LARGE and facts.st_mtime_ns == receipt.changed_ns:
                return receipt.sha256
            if sha256_file(path) == receipt.sha256:
                if facts.st_size > _LARGE:
                    # Snakemake touches outputs, and a copy has another time: not to be hashed again.
                    with suppress(OSError):
                        self._save(name, replace(receipt, changed_ns=facts.st_mtime_ns))
                return receipt.sha256
        raise UserError(
            f"{path}: expected it as {receipt.rule} made it, found it changed since; make it again: {remedy}"
        )

    def _save(self, name: str, receipt: Receipt) -> None:
        with Outputs({"receipt": str(self._path(name))}) as outputs:
            write_json(outputs["receipt"], asdict(receipt))

    def _path(self, name: str) -> Path:
        return self.study / FOLDER / f"{name}.json"


def content_of(path: Path) -> Content:
    """Return size and hash of a file that a job reads from outside the study's folder.

    The hash of a download is that of its verification. That of another large file is unknown.
    """
    status = path.stat()
    digest = None
    if status.st_size <= _LARGE_SOURCE:
        digest = sha256_file(path)
    elif (receipt := download_receipt(path)).is_file():
        digest = read_json(receipt, ("sha256",))["sha256"]
    return Content(status.st_size, digest, status.st_mtime_ns)


def download_receipt(path: Path) -> Path:
    """Return where the receipt of a download is, if `path` is one (`superres.data.download`)."""
    return path.with_name(f"{path.name}.receipt.json")


def with_dependents(names: Iterable[str], receipts: Mapping[str, Receipt]) -> set[str]:
    """Return files, the other outputs of their jobs, and all that was made of any of them."""
    following = _beside(receipts)
    for name, receipt in receipts.items():
        for source in receipt.made_of:
            following.setdefault(source, []).append(name)
    return _reach(names, following)


def with_sources(names: Iterable[str], receipts: Mapping[str, Receipt]) -> set[str]:
    """Return files, the other outputs of their jobs, and all files of the study that they were made of."""
    beside = _beside(receipts)
    return _reach(names, {name: [*beside[name], *receipt.made_of] for name, receipt in receipts.items()})


def _beside(receipts: Mapping[str, Receipt]) -> dict[str, list[str]]:
    """Return the outputs of each file's job."""
    outputs: dict[str, list[str]] = {}
    for name, receipt in receipts.items():
        outputs.setdefault(receipt.job, []).append(name)
    return {name: list(outputs[receipt.job]) for name, receipt in receipts.items()}


def _reach(names: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    seen, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += following.get(name, ())
    return seen
