"""The code of a result: the modules that a script loads, their hashes, the commit and the libraries."""

import ast
import hashlib
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from superres.device.base.outputs import sha256_file

ROOT = Path(__file__).parent
"""The folder of this package."""

# Every script imports it, and it changes no output.
_WRAPPER = "scripting.py"
# Folders and files that decide results, unlike docs and tests.
_DATA = (".csv", ".html", ".css", ".js")
_DECIDING = ("src", "rules", "workflow", "Snakefile")


def modules_behind(*entries: str | Path) -> list[str]:
    """Return the modules and data files of this package that some entries load, also inside functions.

    An entry is a path relative to this package, such as `data/clips.py`, or a `Path` to a script outside it,
    which the result leaves out. A data file counts if a module in its folder names it. Raises
    FileNotFoundError for a missing entry.
    """
    found: set[str] = set()
    for entry in entries:
        found |= _closure(entry)
    return sorted(found)


def code_digest(*entries: str | Path) -> str:
    """Return a short hash of all modules that some entries load, for a rule's `code`."""
    lines = "".join(f"{_read(module).digest}  {module}\n" for module in modules_behind(*entries))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def libraries_behind(modules: Iterable[str]) -> list[str]:
    """Return the third-party packages that some modules import, by their top-level names."""
    names = {name.partition(".")[0] for module in modules for name in _read(module).imports}
    return sorted(names - sys.stdlib_module_names - {ROOT.name})


@dataclass(frozen=True)
class Checkout:
    """The git commit of this code, and whether its files differ from it; both None outside git."""

    commit: str | None
    changed: bool | None


def find_checkout() -> Checkout:
    """Return the commit of the git repository that tracks this module, and whether deciding files differ.

    Untracked files count as a change. A repository around this code that doesn't track it is ignored.
    """
    module = Path(__file__).name

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", module)
        changed = git("status", "--porcelain", "--", *(f":(top){path}" for path in _DECIDING))
        return Checkout(git("rev-parse", "HEAD"), bool(changed))
    except (OSError, subprocess.CalledProcessError):
        return Checkout(None, None)


def code_commit() -> str:
    """Return the git commit of this code, plus `+changes` if files differ; `unknown` outside git."""
    checkout = find_checkout()
    return (checkout.commit or "unknown") + ("+changes" if checkout.changed else "")


def module_hashes(modules: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each existing module, by its path relative to this package."""
    return {module: sha256_file(ROOT / module) for module in modules if (ROOT / module).is_file()}


def describe_code(modules: Sequence[str]) -> dict[str, Any]:
    """Describe this code for a record: commit, changes, and the hashes of `modules`, one by one and of all.

    Works without git. The hash of all is over lines `sha256  path`, the format of sha256sum.
    """
    checkout, hashes = find_checkout(), module_hashes(modules)
    lines = "".join(f"{digest}  {module}\n" for module, digest in sorted(hashes.items()))
    return {
        "commit": checkout.commit,
        "changed": checkout.changed,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "modules": hashes,
    }


def describe_libraries(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of what installed some packages, named as in imports, by name."""
    wanted = set(libraries)
    names = {each.metadata["Name"] for each in metadata.distributions() if wanted & _top_level(each)}
    return {name: version for name in ("python", *sorted(names)) if (version := installed_version(name))}


def _top_level(distribution: metadata.Distribution) -> set[str]:
    # As `metadata.packages_distributions`, which makes an object of every installed file: that takes a
    # third of the job that writes a manifest.
    declared = distribution.read_text("top_level.txt")
    if declared:
        return set(declared.split())
    lines = (distribution.read_text("RECORD") or "").splitlines()
    return {line.partition("/")[0].partition(",")[0].partition(".")[0] for line in lines}


@cache
def installed_version(name: str) -> str | None:
    """Return the version of an installed library, or of `python`; None if it isn't installed."""
    if name == "python":
        return platform.python_version()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class _Content:
    """A file's hash, the dotted names that it imports anywhere, and the tables of its folder that it names.

    The hash is of what a module computes: comments, layout, docstrings and descriptions of keys don't count.
    """

    digest: str
    imports: Sequence[str] = ()
    tables: Sequence[str] = ()


@cache
def _closure(entry: str | Path) -> frozenset[str]:
    found: set[str] = set()
    waiting: list[str | Path] = [entry]
    while waiting:
        path = waiting.pop()
        if path not in found:
            # A script outside the package isn't a module of it.
            if isinstance(path, str):
                found.add(path)
            content = _read(path)
            modules = [_module(name) for name in content.imports]
            waiting += [module for module in modules if module is not None and module != _WRAPPER]
            waiting += content.tables
    return frozenset(found)


@cache
def _read(path: str | Path) -> _Content:
    file = ROOT / path
    content = file.read_bytes()
    if file.suffix != ".py":
        return _Content(hashlib.sha256(content).hexdigest())
    walk = _Walk()
    walk.add(ast.parse(content))
    tables = [table for text in walk.texts if (table := _table_beside(file, text))]
    return _Content(hashlib.sha256("\n".join(walk.parts).encode()).hexdigest(), walk.imports, tables)


class _Walk:
    """The parts of a syntax tree that compute something, its imports and its texts.

    One pass collects all: a dry run reads 120 modules. Left out are texts that people read: docstrings, also
    those of constants, and `description=`.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.imports: list[str] = []
        self.texts: list[str] = []

    def add(self, node: ast.AST) -> None:
        """Add a node and all below it."""
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str):
                return
        elif isinstance(node, ast.keyword) and node.arg == "description":
            return
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            self.texts.append(node.value)
        elif isinstance(node, ast.Import):
            self.imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            self.imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        self.parts.append(type(node).__name__)
        for name in node._fields:
            # Whether a name is read or written follows from its place.
            if name != "ctx":
                self._add_field(getattr(node, name))

    def _add_field(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.add(value)
        elif isinstance(value, list):
            self.parts.append("[")
            for item in value:
                self._add_field(item)
            self.parts.append("]")
        else:
            self.parts.append(repr(value))


def _table_beside(file: Path, name: str) -> str | None:
    """Return the data file of this name in a module's folder, relative to the package, if there is one."""
    table = file.parent / name if name.endswith(_DATA) and "/" not in name else None
    return str(table.relative_to(ROOT)) if table is not None and table.is_file() else None


def _module(name: str) -> str | None:
    """Return the file of a module of this package; None for any other name."""
    package, _, rest = name.partition(".")
    path = f"{rest.replace('.', '/')}.py"
    return path if package == ROOT.name and rest and (ROOT / path).is_file() else None
