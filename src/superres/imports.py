"""Which modules of this package stand behind a module: what an edit concerns."""

import ast
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


@cache
def _imports(path: str) -> list[str]:
    file = ROOT / path
    if file.suffix != ".py":
        return []
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [module for name in names if (module := _module(name)) is not None]
    return found


def _module(name: str) -> str | None:
    """The file of a module of this package; None for others, for packages and for what a module defines."""
    package, _, rest = name.partition(".")
    path = f"{rest.replace('.', '/')}.py"
    return path if package == ROOT.name and rest and (ROOT / path).is_file() else None
