"""Which version of this code made something, and which libraries stand behind it."""

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from superres.device.base.hashes import sha256_file
from superres.imports import ROOT, libraries_behind

# What decides over results; a change of docs or tests doesn't.
_DECIDING = ("src", "rules", "workflow", "Snakefile")


@dataclass(frozen=True)
class Checkout:
    """The git commit of this code, and whether its files differ from it; None of both outside git."""

    commit: str | None
    changed: bool | None


def find_checkout() -> Checkout:
    """The commit of the git repository that this very module belongs to, and whether what decides over results differs.

    Files that git doesn't know count as a change. A repository that merely lies around this code says nothing.
    """
    folder, module = Path(__file__).parent, Path(__file__).name

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", module)
        changed = git("status", "--porcelain", "--", *(f":(top){path}" for path in _DECIDING))
        return Checkout(git("rev-parse", "HEAD"), bool(changed))
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None, None)


def code_commit() -> str:
    """The git commit of this code, `+changes` behind it if files differ, `unknown` outside git."""
    checkout = find_checkout()
    return (checkout.commit or "unknown") + ("+changes" if checkout.changed else "")


def module_hashes(modules: Sequence[str]) -> dict[str, str]:
    """SHA-256 of modules, by their paths relative to this package; one that isn't there is left out."""
    return {module: sha256_file(ROOT / module) for module in modules if (ROOT / module).is_file()}


def describe_code(modules: Sequence[str]) -> dict[str, Any]:
    """This code for a record: commit, whether it has changes, and the hashes of `modules`, one by one and of all.

    Works without git, too. The hash of all is over lines `sha256  path`, as sha256sum writes them.
    """
    checkout, hashes = find_checkout(), module_hashes(modules)
    lines = "".join(f"{digest}  {module}\n" for module, digest in sorted(hashes.items()))
    return {
        "commit": checkout.commit,
        "changed": checkout.changed,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "modules": hashes,
    }


def describe_libraries(modules: Sequence[str]) -> dict[str, str]:
    """Python's version, and those of the installed libraries that some modules of this package import, by name."""
    providers = metadata.packages_distributions()
    names = {name for library in libraries_behind(modules) for name in providers.get(library, ())}
    return {name: version for name in ("python", *sorted(names)) if (version := installed_version(name))}


@cache
def installed_version(name: str) -> str | None:
    """Version of an installed library, or of `python`; None for one that isn't there."""
    if name == "python":
        return platform.python_version()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
