"""What values of a study are taken for: paths beside its file, and texts from the command line as numbers."""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from superres.data.download.addresses import is_address
from superres.study.messages import mistyped_texts

# Keys whose texts are files or folders on this machine that are read.
_PLACES = ("path", "mirror", "input", "onnx", "checkpoint")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def found_beside(config: Mapping[str, Any], folders: Sequence[Path]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a configuration with the paths that lead to nothing here, but to something beside a study file.

    `folders` are those of the study files. Also returns these paths, by the written ones.
    """
    taken: dict[str, str] = {}
    return _beside(config, "", folders, taken), taken


def _beside(value: Any, key: str, folders: Sequence[Path], taken: dict[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _beside(entry, str(name), folders, taken) for name, entry in value.items()}
    if isinstance(value, list):
        return [_beside(entry, "", folders, taken) for entry in value]
    if isinstance(value, str) and value and _is_place(key, value) and not is_address(value):
        for folder in (f for f in folders if not os.path.exists(value)):  # noqa: PTH110 (never raises)
            if os.path.exists(folder / value):  # noqa: PTH110
                taken[value] = _shown(folder / value)
                return taken[value]
    return value


def _is_place(key: str, value: str) -> bool:
    """Return whether a key's text is a path; `weights` may be a word too."""
    return key in _PLACES or (key == "weights" and value.endswith(".safetensors"))


def _shown(path: Path) -> str:
    """Return a path relative to the working directory if it is below that."""
    whole = Path(os.path.normpath(path.absolute()))
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


def typed_texts(
    error: ValidationError, model: type[BaseModel], config: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return a configuration whose texts from the command line are numbers where keys want numbers.

    The same holds for booleans: Snakemake reads all values of a mapping in `--config` as texts. `given` are
    the keys from the command line; texts of a file stay. Returns None if the error is about anything else.
    """
    typed: dict[str, Any] = copy.deepcopy(dict(config))
    changed = False
    for path, kind, text in mistyped_texts(error, model):
        if _at(given, path) == text and (value := _typed(text, kind)) is not None:
            _at(typed, path[:-1])[path[-1]] = value
            changed = True
    return typed if changed else None


def _at(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path, None if there is none."""
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _typed(text: str, kind: str) -> bool | float | None:
    if kind == "bool":
        return _BOOLEANS.get(text.lower())
    for parse in (int, float):
        try:
            return parse(text)
        except ValueError:
            continue
    return None
