"""Validates a study against its JSON schema and fills in defaults."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from superres.data.addresses import redact
from superres.device.errors import UserError

Schema = Mapping[str, Any]


def complete_study(config: Mapping[str, Any], schema_file: Path) -> dict[str, Any]:
    """Return the study with every default filled in.

    Raises UserError in one line that names the key, what was expected and what was found.
    """
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(schema_file.read_text(encoding="utf-8"))
    errors = list(Draft202012Validator(schema).iter_errors(dict(config)))
    if errors:
        raise UserError(_describe(min(errors, key=lambda error: list(map(str, error.absolute_path)))))
    return _fill(dict(config), schema, schema)


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
    return value


def _describe(error: Any) -> str:
    """One line for a jsonschema ValidationError."""
    if error.validator == "oneOf":
        return _describe_branch(error)
    key = _key(error.absolute_path)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(name for name in error.instance if name not in known)
        return f"{_join(key, unknown)}: unknown key{_closest(str(unknown), known)}; known here: {', '.join(known)}"
    if error.validator in ("required", "dependentRequired"):
        return f"{key or 'study'}: {error.message.replace(' is a dependency of ', ' has to stand beside ')}"
    expected = _expected(error)
    found = _short(error.instance)
    return f"{key}: expected {expected}, found {found}" if expected else f"{key}: {redact(error.message)}"


def _expected(error: Any) -> str | None:
    value = error.validator_value
    match error.validator:
        case "enum":
            return f"one of {', '.join(map(str, value))}{_closest(error.instance, value)}"
        case "type":
            return " or ".join(map(_article, [value] if isinstance(value, str) else value))
        case "pattern":
            return f"a text of the form {value}"
        case _:
            return None


def _describe_branch(error: Any) -> str:
    """The error of the alternative that the entry's `type` chooses."""
    key = _key(error.absolute_path)
    branches = {branch["properties"]["type"]["const"]: i for i, branch in enumerate(error.validator_value)}
    found = error.instance.get("type") if isinstance(error.instance, Mapping) else None
    if found not in branches:
        return f"{_join(key, 'type')}: expected one of {', '.join(branches)}; found {_short(found)}"
    return _describe(next(e for e in error.context if e.relative_schema_path[0] == branches[found]))


def _key(path: Iterable[Any]) -> str:
    key = ""
    for part in path:
        key = f"{key}[{part}]" if isinstance(part, int) else _join(key, part)
    return key


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
