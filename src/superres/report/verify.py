"""Check that files, frames, code and study still match the manifests, without changing anything."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from superres.code_version import installed_version, module_hashes
from superres.data.sources.reading import picture_digest
from superres.data.sources.source import FILES
from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json, sha256_file
from superres.device.frames.files import open_frames
from superres.report.labels import counted
from superres.report.manifest import study_digest

NOTHING = "nothing"
_KEYS = ("status", "study", "study_sha256", "inputs", "outputs", "libraries", "code")
# Inputs that are indices of frame files.
_INDICES = ("clip", "calibration")


@dataclass(frozen=True, order=True)
class Finding:
    """A difference between a manifest and what is there now."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass
class Verification:
    """Findings with their number of manifests, notes, and what was checked so far."""

    findings: Counter[Finding] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    manifests: int = 0
    _digests: dict[Path, str] = field(default_factory=dict)
    _frames: dict[Path, list[Finding]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """The number of hashed files."""
        return len(self._digests)

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file, computed once; NOTHING if it is missing."""
        if path not in self._digests:
            self._digests[path] = sha256_file(path) if path.is_file() else NOTHING
        return self._digests[path]

    def compare(self, what: str, expected: object, found: object) -> None:
        """Add a finding unless both are equal."""
        if expected != found:
            self.findings[Finding(what, _short(expected), _short(found))] += 1

    def compare_frames(self, index: Path) -> None:
        """Compare the frame files of an index with its digests, once per index."""
        if index not in self._frames:
            self._frames[index] = list(_check_frames(index)) if index.is_file() else []
        self.findings.update(self._frames[index])


def verify_study(results: Path, studies: Mapping[str, Mapping[str, Any]]) -> None:
    """Check everything that the manifests below `results` name, and print a line for each difference.

    Checked are each arm's inputs and outputs, single frames of clips and calibration sets, downloads that
    are still there, the arm's modules, the rows of `metrics.csv`, and the study. `studies` holds its present
    values about each arm, by the path of the manifest. Other versions of libraries are only noted. Raises
    UserError for any difference, or without a manifest.
    """
    paths = sorted((results / "arms").rglob("manifest*.json"))
    if not paths:
        raise UserError(f"{results}: expected manifests of arms, found none; run the study first")
    done = Verification()
    for path in paths:
        _check_manifest(path, studies.get(path.as_posix()), done)
    done.notes += [f"{path}: not there yet" for path in studies if not Path(path).is_file()]
    _check_metrics(results / "metrics.csv", done)
    _print(done)
    if done.findings:
        verb = "names" if done.manifests == 1 else "name"
        raise UserError(
            f"{results}: expected everything as {counted(done.manifests, 'manifest')} {verb} it, found "
            f"{counted(len(done.findings), 'difference')}, listed above; run the study again or undo the "
            "changes"
        )


def _check_manifest(path: Path, study: Mapping[str, Any] | None, done: Verification) -> None:
    try:
        manifest = read_json(path, _KEYS)
    except UserError as error:
        done.compare(str(path), "a manifest", str(error).partition(": ")[2])
        return
    done.manifests += 1
    for file in (*manifest["inputs"].values(), *manifest["outputs"].values()):
        done.compare(file["path"], f"sha256 {file['sha256']}", _named(done.digest(Path(file["path"]))))
    for name in _INDICES:
        if name in manifest["inputs"]:
            done.compare_frames(Path(manifest["inputs"][name]["path"]))
    modules = manifest["code"]["modules"]
    now = module_hashes(list(modules))
    for module, digest in modules.items():
        done.compare(f"module {module}", f"sha256 {digest}", _named(now.get(module, NOTHING)))
    done.compare(f"{path}: study_sha256", study_digest(manifest["study"]), manifest["study_sha256"])
    if study is None:
        done.notes.append(f"{path}: the study no longer has this arm")
    else:
        # As JSON, where tuples become lists as in a manifest.
        for key, before, after in _differences(manifest["study"], json.loads(json.dumps(study)), "study"):
            done.compare(key, before, after)
    done.notes += _other_libraries(manifest)


def _differences(before: Any, after: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the lowest keys whose values differ, with both values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences(before.get(name, NOTHING), after.get(name, NOTHING), f"{key}.{name}")
    elif before != after:
        yield key, before, after


def _other_libraries(manifest: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: some arms were made with {version}, {installed_version(name) or NOTHING} is installed here"
        for name, version in manifest["libraries"].items()
        if installed_version(name) != version
    ]


def _check_frames(index: Path) -> Iterator[Finding]:
    """Yield frames that differ from their index, and downloads that differ from the pinned file."""
    content = read_json(index, ("sources",))
    for key, shapes, ending in (
        ("hr_sha256", "hr_shapes", ".hr.npy"),
        ("lr_sha256", "lr_shapes", ".lr.npy"),
        ("sha256", "shapes", ".npy"),
    ):
        if key in content:
            yield from _check_frame_file(index.with_suffix(ending), content[key], content[shapes])
    for source in content["sources"]:
        pinned = source.get("pinned")
        # A deleted download is fine: the frames are still there.
        if pinned and (file := Path(FILES, pinned["name"])).is_file():
            expected = _verified(Path(f"{file}.receipt.json"), pinned)
            if (found := sha256_file(file)) != expected:
                yield Finding(file.as_posix(), _named(expected), _named(found))


def _check_frame_file(
    path: Path, digests: Sequence[str], shapes: Sequence[Sequence[int]]
) -> Iterator[Finding]:
    if not path.is_file():
        yield Finding(path.as_posix(), counted(len(digests), "frame"), NOTHING)
        return
    try:
        frames = open_frames(path, [(height, width) for height, width in shapes])
    except UserError as error:
        yield Finding(path.as_posix(), counted(len(digests), "frame"), str(error).partition("found ")[2])
        return
    if len(frames) != len(digests):
        yield Finding(path.as_posix(), counted(len(digests), "frame"), counted(len(frames), "frame"))
    for i, expected in enumerate(digests[: len(frames)]):
        found = picture_digest(frames[i])
        frames.forget()
        if found != expected:
            yield Finding(f"{path.as_posix()}, frame {i}", _named(expected), _named(found))


def _verified(receipt: Path, pinned: Mapping[str, Any]) -> str:
    """Return the hash of a download when it was accepted: the pinned one, unless another was allowed."""
    if pinned["mismatch"] == "warn" and receipt.is_file():
        return read_json(receipt, ("sha256",))["sha256"]
    return pinned["sha256"]


def _check_metrics(path: Path, done: Verification) -> None:
    """Compare the rows of `metrics.csv` with their manifests."""
    if not path.is_file():
        done.notes.append(f"{path}: not there yet")
        return
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            manifest = row.get("manifest") or NOTHING
            where = f"{path}: manifest {manifest}"
            done.compare(where, f"sha256 {row.get('manifest_sha256')}", _named(done.digest(Path(manifest))))


def _print(done: Verification) -> None:
    for note in dict.fromkeys(done.notes):
        sys.stderr.write(f"note: {note}\n")
    for finding, manifests in sorted(done.findings.items()):
        arms = f" (for {counted(manifests, 'arm')})" if manifests > 1 else ""
        sys.stderr.write(f"{finding}{arms}\n")
    sys.stderr.write(
        f"verified {counted(done.files, 'file')} of {counted(done.manifests, 'manifest')}: "
        f"{counted(len(done.findings), 'difference')}\n"
    )


def _named(digest: str) -> str:
    return digest if digest == NOTHING else f"sha256 {digest}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
