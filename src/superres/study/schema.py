"""Validates a study against its JSON schema and fills in defaults."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from superres.data.download.addresses import is_address, redact
from superres.device.base.errors import UserError

Schema = Mapping[str, Any]

# Longer than any path or name that a system takes.
_LONGEST = 4000
# Where lines may be broken.
_PROSE = "description"


def complete_study(config: Mapping[str, Any], schema_file: Path) -> dict[str, Any]:
    """Return the study with every default filled in.

    Raises UserError in one line that names the key, what was expected and what was found.
    """
    from jsonschema import Draft202012Validator, validators

    schema = _read_schema(schema_file, schema_file.stat().st_mtime_ns)
    validator = validators.extend(Draft202012Validator, {"pattern": _check_pattern})(schema)
    errors = list(validator.iter_errors(dict(config)))
    if errors:
        raise UserError(_describe(min(errors, key=lambda error: list(map(str, error.absolute_path)))))
    _check_values(config, ())
    return _fill(dict(config), schema, schema)


@cache
def _read_schema(path: Path, changed_ns: int) -> Schema:
    """The schema, read once for all studies of a process; `changed_ns` is the file's time of change."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _check_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[Exception]:
    """The whole text has to match: for `$` alone, a newline may follow, and names become parts of paths."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _check_values(value: Any, path: tuple[Any, ...]) -> None:
    """Raise UserError for what no schema can say: a number that is none, and a text that no path or line can hold."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            _check_values(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            _check_values(entry, (*path, i))
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{_key(path)}: expected a finite number, found {value}")
    elif isinstance(value, str):
        text = " ".join(value.split()) if path[-1] == _PROSE else value
        if not text.isprintable():
            raise UserError(f"{_key(path)}: expected printable characters only, found {_short(value)}")
        if path[-1] == "path" and is_address(value):
            raise UserError(
                f"{_key(path)}: expected a path on this machine, found the address {_short(value)}; name it in `files`, "
                "and the file's name here as `file`"
            )
        if len(text.encode()) > _LONGEST:
            raise UserError(f"{_key(path)}: expected at most {_LONGEST} bytes, found {len(text.encode())}")


def _resolve(schema: Schema, root: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    target: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _fill(value: Any, schema: Schema, root: Schema) -> Any:
    schema = _resolve(schema, root)
    for branch in schema.get("oneOf", ()):
        if branch["properties"]["type"]["const"] == value["type"]:
            schema = branch
    if schema.get("x-partial"):
        # It is laid over values that have their defaults already.
        return value
    if isinstance(value, Mapping):
        filled = dict(value)
        for key, rule in schema.get("properties", {}).items():
            resolved = _resolve(rule, root)
            if key in filled or "default" in resolved:
                filled[key] = _fill(filled.get(key, resolved.get("default")), resolved, root)
        return filled
    if isinstance(value, list) and "items" in schema:
        return [_fill(item, schema["items"], root) for item in value]
    # A whole number may be written as 2.0.
    return int(value) if schema.get("type") == "integer" and isinstance(value, float) else value


def _describe(error: Any) -> str:
    """One line for a jsonschema ValidationError."""
    if error.validator == "oneOf":
        return _describe_branch(error)
    key = _key(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(name for name in error.instance if name not in known)
        return f"{_join(key, _name(unknown))}: unknown key{_closest(str(unknown), known)}; known here: {', '.join(known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key or 'study'}: expected the key {missing}, found {_keys(error.instance)}; add it"
    if error.validator == "dependentRequired":
        return f"{key}: {error.message.replace(' is a dependency of ', ' has to stand beside ')}"
    return f"{key}: expected {_expected(error)}, found {_found(error)}"


def _expected(error: Any) -> str:
    value = error.validator_value
    bounds = {
        "minimum": f"{value} or more",
        "maximum": f"{value} or less",
        "exclusiveMinimum": f"more than {value}",
        "exclusiveMaximum": f"less than {value}",
        "minItems": f"a list of {value} or more",
        "maxLength": f"at most {value} characters",
        "uniqueItems": "each entry once",
    }
    match error.validator:
        case "enum":
            return f"one of {', '.join(map(str, value))}{_closest(error.instance, value)}"
        case "type":
            return " or ".join(map(_article, [value] if isinstance(value, str) else value))
        case "pattern":
            return f"a text of the form {value}"
        case _:
            return bounds.get(error.validator, f"what {error.validator} asks for ({value})")


def _found(error: Any) -> str:
    """What was found, in words where a value would say little."""
    if error.validator == "minItems" and not error.instance:
        return "an empty one"
    if error.validator == "uniqueItems":
        twice = next(entry for i, entry in enumerate(error.instance) if entry in error.instance[:i])
        return f"{_short(twice)} twice"
    return _short(error.instance)


def _describe_branch(error: Any) -> str:
    """The error of the alternative that the entry's `type` chooses."""
    key = _key(error.absolute_path)
    branches = {branch["properties"]["type"]["const"]: i for i, branch in enumerate(error.validator_value)}
    if not isinstance(error.instance, Mapping):
        return f"{key}: expected a mapping of keys, found {_short(error.instance)}"
    found = error.instance.get("type")
    if not isinstance(found, str) or found not in branches:
        return f"{_join(key, 'type')}: expected one of {', '.join(branches)}; found {_short(found)}"
    return _describe(next(e for e in error.context if e.relative_schema_path[0] == branches[found]))


def _key(path: Iterable[Any]) -> str:
    key = ""
    for part in path:
        key = f"{key}[{part}]" if isinstance(part, int) else _join(key, _name(part))
    return key


def _name(key: Any) -> str:
    """A key as it can stand in one line."""
    text = redact(str(key))
    return text if text.isprintable() and len(text) <= 60 else _short(key)


def _keys(instance: Mapping[Any, Any]) -> str:
    return ", ".join(map(_name, instance)) or "no key at all"


def _join(key: str, part: Any) -> str:
    return f"{key}.{part}" if key else str(part)


def _short(value: Any) -> str:
    # Whatever is wrong with it: what is secret in an address is never repeated.
    text = redact(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _article(name: Any) -> str:
    names = {
        "array": "a list",
        "object": "a mapping of keys",
        "integer": "a whole number",
        "string": "a text",
    }
    return names.get(name, f"a {name}")


def _closest(name: Any, known: Iterable[Any]) -> str:
    close = get_close_matches(str(name), list(map(str, known)), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
