"""Which modules of this package stand behind a module (what an edit concerns), and which libraries."""

import ast
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent


def modules_behind(*entries: str) -> list[str]:
    """Paths, relative to this package, of some modules and of all that they import from it, also inside functions.

    `entries` are such paths themselves, as `data/clips.py`; a data file stands for itself. Raises
    FileNotFoundError for one that isn't there.
    """
    found: set[str] = set()
    waiting = list(entries)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return sorted(found)


def libraries_behind(modules: Iterable[str]) -> list[str]:
    """Top-level names, as they are imported, of all that some modules import from elsewhere, but for Python's own.

    `modules` are paths as `modules_behind` gives them.
    """
    names = {name.partition(".")[0] for module in modules for name in _names(module)}
    return sorted(names - sys.stdlib_module_names - {ROOT.name})


def _imports(path: str) -> list[str]:
    return [module for name in _names(path) if (module := _module(name)) is not None]


@cache
def _names(path: str) -> list[str]:
    """Dotted names of all that a module imports, also inside functions."""
    file = ROOT / path
    if file.suffix != ".py":
        return []
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def _module(name: str) -> str | None:
    """The file of a module of this package; None for others, for packages and for what a module defines."""
    package, _, rest = name.partition(".")
    path = f"{rest.replace('.', '/')}.py"
    return path if package == ROOT.name and rest and (ROOT / path).is_file() else None
