"""Check that every file behind a study's tables, plots and manifests is as its job left it."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from superres.code_version import installed_version, module_hashes
from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json, sha256_file
from superres.device.base.words import counted, printable
from superres.report.manifest import study_digest
from superres.report.receipts import FOLDER, Receipt, Receipts, with_sources

NOTHING = "nothing"
_KEYS = ("status", "study", "study_sha256", "libraries", "code")


@dataclass(frozen=True)
class Wanted:
    """What a study makes now: its folder, the files that it shows, and its values about each arm.

    `shown` are the tables and plots of all targets and the arms' figures. `arms` are by the manifest's path.
    """

    results: Path
    shown: Iterable[str]
    arms: Mapping[str, Mapping[str, Any]]

    def name(self, path: str | Path) -> str:
        """Return the name of a file in the study's folder, as receipts have it."""
        return Path(path).relative_to(self.results).as_posix()


@dataclass(frozen=True, order=True)
class Finding:
    """A difference between a file and what its job knew of it."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected}, found {self.found}"


@dataclass
class Verification:
    """Findings with their number of files, the files to make again, notes, and what was checked."""

    findings: Counter[Finding] = field(default_factory=Counter)
    damaged: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    manifests: int = 0
    _found: dict[str, str | None] = field(default_factory=dict)

    def compare(self, name: str, what: str, expected: object, found: object) -> None:
        """Unless both are equal, add a finding, for which the file `name` has to be made again."""
        if expected != found:
            self.findings[Finding(what, _short(expected), _short(found))] += 1
            self.damaged.add(name)


def verify_study(wanted: Wanted, remedy: str) -> None:
    """Check all that a study shows and what it was made of, and print a line for each difference.

    Changes nothing. Other versions of libraries are only noted. Raises UserError for any difference, with
    the command `remedy`, and for a study without results.
    """
    again = f"make again what they concern: {remedy}"
    tell(inspect_study(wanted), str(wanted.results), "every file as its job left it", again)


def tell(done: Verification, where: str, expected: str, remedy: str) -> None:
    """Print the notes and findings of a verification, a line each. Raises UserError if there is a finding.

    They quote archives of others.
    """
    for note in dict.fromkeys(done.notes):
        sys.stderr.write(f"note: {printable(note)}\n")
    for finding, files in sorted(done.findings.items()):
        times = f" (for {counted(files, 'file')})" if files > 1 else ""
        sys.stderr.write(f"{printable(finding)}{times}\n")
    differences = counted(len(done.findings), "difference")
    sys.stderr.write(
        f"verified {counted(done.files, 'file')} and {counted(done.manifests, 'manifest')}: {differences}\n"
    )
    if done.findings:
        raise UserError(f"{where}: expected {expected}, found {differences}, listed above; {remedy}")


def inspect_study(wanted: Wanted, *, with_code: bool = True) -> Verification:
    """Compare files with their receipts, and manifests with code and study. Raises UserError for no results.

    The code may be left out.

    Checked are all files that jobs made. Those that nothing in `wanted` was made of may be gone, and so may a
    user's own file and a download.
    """
    receipts, done = Receipts(wanted.results).read_all(), Verification()
    manifests = [path for path in wanted.arms if Path(path).is_file()]
    if not receipts and not manifests:
        raise UserError(f"{wanted.results}: expected results of jobs, found none; run the study first")
    shown = {wanted.name(path) for path in (*wanted.shown, *wanted.arms)}
    reached = with_sources(shown, receipts)
    for name in sorted(receipts):
        if name in reached or (wanted.results / name).is_file():
            _check_file(wanted.results / name, receipts[name], name, done)
        if name in reached and (wanted.results / name).is_file():
            _check_inputs(wanted.results / name, name, receipts, done)
    for path in manifests:
        _check_manifest(Path(path), wanted, done, with_code=with_code)
    unknown = [name for name in sorted(reached - receipts.keys()) if (wanted.results / name).is_file()]
    if receipts:
        # An edit may have taken the receipt away with it.
        for name in unknown:
            done.compare(
                name, (wanted.results / name).as_posix(), "a receipt of the job that made it", NOTHING
            )
    elif unknown:
        done.notes.append(
            f"{counted(len(unknown), 'file')} without a receipt, not checked: made before there were "
            "receipts; snakemake --forceall makes all anew"
        )
    later = [path for path in wanted.arms if wanted.name(path) not in receipts and path not in manifests]
    if later:
        done.notes.append(f"{counted(len(later), 'manifest')} not there yet, such as {later[0]}")
    return done


def inspect_packed(results: Path, packed: Callable[[str], bool], others: Collection[str]) -> Verification:
    """Compare packed results with their receipts, each other and their manifests.

    `packed` says of a name whether its file is there; of what these were made of only hashes are known.
    `others` are the files without a receipt. Nothing is compared with this machine's code or files.
    """
    receipts, done = Receipts(results).read_all(), Verification()
    for name in sorted(filter(packed, receipts)):
        _check_file(results / name, receipts[name], name, done)
    for name in sorted(receipts):
        _check_made_of(results / name, name, receipts, done)
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results).as_posix()
        if name not in receipts and name not in others and not name.startswith(f"{FOLDER}/"):
            done.compare(name, path.as_posix(), "a receipt of the job that made it", NOTHING)
    for path in sorted(results.glob("arms/**/manifest*.json")):
        _check_digest(path, path.relative_to(results).as_posix(), done)
    return done


def _check_file(path: Path, receipt: Receipt, name: str, done: Verification) -> None:
    """Compare a file with its receipt."""
    done.files += 1
    digest = sha256_file(path) if path.is_file() else None
    made = f"it as {receipt.rule} made it, sha256 {receipt.sha256}"
    found = made if digest == receipt.sha256 else f"sha256 {digest}" if digest else NOTHING
    done.compare(name, path.as_posix(), made, found)


def _check_inputs(path: Path, name: str, receipts: Mapping[str, Receipt], done: Verification) -> None:
    """Compare what a file was made of with what is there now."""
    _check_made_of(path, name, receipts, done)
    for source, content in receipts[name].read.items():
        if (found := _digest_now(source, content.sha256, done)) is not None and found != content.sha256:
            done.compare(name, source, f"sha256 {content.sha256}, as when it was read", f"sha256 {found}")
            done.sources.add(source)


def _check_made_of(path: Path, name: str, receipts: Mapping[str, Receipt], done: Verification) -> None:
    for source, used in receipts[name].made_of.items():
        if source in receipts and receipts[source].sha256 != used:
            done.compare(name, path.as_posix(), f"it to be made of {source} as it is now", "an earlier one")


def _digest_now(source: str, digest: str | None, done: Verification) -> str | None:
    """Return the hash of a file that a job read from elsewhere; None if it is gone or wasn't known."""
    if digest is None or not Path(source).is_file():
        return None
    if source not in done._found:
        done._found[source] = sha256_file(Path(source))
    return done._found[source]


def _check_manifest(path: Path, wanted: Wanted, done: Verification, *, with_code: bool) -> None:
    """Compare a manifest with the code and the study."""
    name, study = wanted.name(path), wanted.arms[path.as_posix()]
    if (manifest := _check_digest(path, name, done)) is None:
        return
    modules = manifest["code"]["modules"] if with_code else {}
    now = module_hashes(list(modules))
    for module, digest in modules.items():
        found = f"sha256 {now[module]}" if module in now else NOTHING
        done.compare(name, f"module {module}", f"sha256 {digest}", found)
    # As JSON, where tuples become lists as in a manifest.
    for key, before, after in _differences(manifest["study"], json.loads(json.dumps(study)), "study"):
        done.compare(name, key, before, after)
    done.notes += _other_libraries(manifest)


def _check_digest(path: Path, name: str, done: Verification) -> dict[str, Any] | None:
    """Compare a manifest's study with its hash, and return the manifest; None if it is damaged."""
    try:
        manifest = read_json(path, _KEYS)
    except UserError as error:
        done.compare(name, path.as_posix(), "a manifest", str(error).partition(": ")[2])
        return None
    done.manifests += 1
    recorded = study_digest(manifest["study"])
    done.compare(name, f"{path.as_posix()}: study_sha256", recorded, manifest["study_sha256"])
    return manifest


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


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."
