"""Check a study as a text, before it is read: its encoding, its YAML, and that each key stands once."""

import codecs
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from superres.device.base.errors import UserError

_SUFFIXES = (".yaml", ".yml", ".json")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# `<<` adds the keys of another mapping; it isn't one itself.
_MERGE = "tag:yaml.org,2002:merge"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def check_study_text(path: Path) -> None:
    """Raise UserError for a study that can't be read as UTF-8 and YAML, or that gives a key twice.

    A byte order mark and line ends of Windows are fine.
    """
    text = _read(path)
    try:
        root = yaml.compose(text, Loader=_LOADER)
        _check_cycles(path, root, {})
        # Tags of other programs and dates that don't exist.
        yaml.safe_load(text)
    except RecursionError as error:
        raise UserError(f"{path}: expected a study, found lists nested too deeply; correct it") from error
    except ValueError as error:
        raise UserError(f"{path}: expected YAML, found a value that is none: {error}; correct it") from error
    except yaml.YAMLError as error:
        # JSON may be indented by tabs, which YAML forbids.
        if _is_json(text):
            return
        line, found = _fault(error, text)
        other = "" if path.suffix in _SUFFIXES else ", or name targets before --configfile"
        raise UserError(f"{path}: expected YAML, found in line {line}: {found}; correct it{other}") from error
    if not isinstance(root, yaml.MappingNode):
        found = "an empty file" if root is None else f"a {root.id}"
        raise UserError(f"{path}: expected a study with keys such as `study: NAME`, found {found}")
    for key, first, second in _repeated(root, set()):
        lines = f"in lines {first} and {second}" if first != second else f"twice in line {first}"
        raise UserError(f"{path}: expected the key {key} once, found it {lines}; take one out")


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UserError(
                f"{path}: expected a study in a file, found a pipe or a device; write it to a file"
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: expected a study, found no file; correct its path, or name targets before --configfile"
        ) from error
    except OSError as error:
        raise UserError(f"{path}: expected a study, found: {error.strerror}; correct its path") from error
    if content.startswith(_UTF16) or b"\0" in content[:4]:
        raise UserError(f"{path}: expected UTF-8, found UTF-16 or UTF-32; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}: expected UTF-8, found the byte 0x{content[error.start]:02x} in line {line}, as in "
            "Latin-1 or Windows-1252; save it as UTF-8"
        ) from error


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _fault(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Return the line of a mistake, from 1, and what it is."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        return (mark.line + 1 if mark else 1), " ".join(" ".join(parts).split())
    position = getattr(error, "position", 0)
    # A character that YAML forbids.
    return text.count("\n", 0, position) + 1, getattr(error, "reason", None) or "something else"


def _check_cycles(path: Path, node: yaml.Node | None, whole: dict[int, bool]) -> None:
    """Raise UserError for a list or mapping that has an alias of itself in it.

    `whole` says of each node that was seen whether all of it was.
    """
    if node is None or isinstance(node, yaml.ScalarNode) or whole.get(id(node)):
        return
    if id(node) in whole:
        raise UserError(
            f"{path}: expected a study, found the anchor of line {node.start_mark.line + 1} inside itself; "
            "correct it"
        )
    whole[id(node)] = False
    for entry in node.value:
        for part in entry if isinstance(entry, tuple) else (entry,):
            _check_cycles(path, part, whole)
    whole[id(node)] = True


def _repeated(node: yaml.Node, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Yield each key that its mapping has twice, with both lines. An alias leads to a node that was seen."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if (key.tag, key.value) in lines:
                    yield key.value, lines[key.tag, key.value], line
                lines[key.tag, key.value] = line
            yield from _repeated(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _repeated(entry, seen)
