"""Report the first mistake of a study in one line: its key, what was expected, what was found."""

import math
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from superres.data.download.addresses import is_address, redact
from superres.device.base.errors import UserError
from superres.keys import NAME, whole

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

# Longer than any path or name that a system accepts.
_LONGEST = 4000
# The key whose text may contain line breaks.
_PROSE = "description"

_TYPES = {
    "array": "a list",
    "object": "a mapping of keys",
    "integer": "a whole number",
    "string": "a text",
    "number": "a number",
    "boolean": "a boolean",
}
_KINDS = {
    "int": "integer",
    "float": "number",
    "string": "string",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "dict": "object",
    "model": "object",
    "model_attributes": "object",
    "dataclass": "object",
}


def first_mistake(error: ValidationError, model: type[BaseModel], config: Any) -> str:
    """Return the first mistake in one line, with its path. Mistakes that may follow from others come last."""
    schema = model.model_json_schema()
    mistakes = [_Mistake(details, schema) for details in error.errors(include_url=False)]
    first = min(mistakes, key=lambda mistake: mistake.order)
    if first.later:
        check_values(config)
    return first.line


def mistyped_texts(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Path, str, str]]:
    """Yield the place of each text where a number or boolean is expected, the kind of that, and the text."""
    schema = model.model_json_schema()
    for details in error.errors(include_url=False):
        kind, text = details["type"].removesuffix("_type"), details["input"]
        if kind in ("int", "float", "bool") and isinstance(text, str):
            yield _place(details["loc"], schema)[0], kind, text


def check_values(value: Any, path: Path = ()) -> None:
    """Raise UserError for values that no type excludes: NaN, and texts unfit for a path or a line."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            check_values(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            check_values(entry, (*path, i))
    elif isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{_key(path)}: expected a finite number, found {value}")
    elif isinstance(value, str):
        text = " ".join(value.split()) if path[-1] == _PROSE else value
        if not text.isprintable():
            raise UserError(f"{_key(path)}: expected printable characters only, found {_short(value)}")
        if path[-1] == "path" and is_address(value):
            raise UserError(
                f"{_key(path)}: expected a path on this machine, found the address {_short(value)}; name it "
                "in `files`, and the file's name here as `file`"
            )
        if len(text.encode()) > _LONGEST:
            raise UserError(f"{_key(path)}: expected at most {_LONGEST} bytes, found {len(text.encode())}")


class _Mistake:
    """An error of pydantic, with its path in the study and the schema at that path."""

    def __init__(self, details: ErrorDetails, root: Schema):
        self._kind, self._found, self._facts = details["type"], details["input"], details.get("ctx", {})
        loc = details["loc"]
        self._in_keys = self._kind in ("missing", "extra_forbidden", "invalid_key")
        self._name = loc[-1] if self._in_keys else None
        self._path, self._schema = _place(loc[:-1] if self._in_keys else loc, root)
        if self._kind == "mistake":
            self._path = (*self._path, *self._facts["at"])

    @property
    def later(self) -> bool:
        """True if the mistake may follow from another one."""
        return bool(self._facts.get("later"))

    @property
    def order(self) -> tuple[Any, ...]:
        """The sort key of mistakes: a misspelt key comes before the key that is missing because of it."""
        return self.later, [str(part) for part in self._path], self._kind == "missing"

    @property
    def line(self) -> str:
        """The mistake in one line."""
        key = _key(self._path)
        known = self._schema.get("properties", {})
        match self._kind:
            case "missing":
                found = ", ".join(map(_name, self._found)) or "no key at all"
                return f"{key or 'study'}: expected the key {self._name}, found {found}; add it"
            case "extra_forbidden" | "invalid_key":
                where = _join(key, _name(self._name))
                closest = _closest(self._name, known)
                return f"{where}: unknown key{closest}; known here: {', '.join(known)}"
            case "mistake":
                text = self._facts["text"].replace("{found}", _short(self._found))
                return f"{self._facts['key'] or key}: {text}"
            case "union_tag_invalid" | "union_tag_not_found":
                tag = self._schema["discriminator"]
                found = _short(self._found.get(tag["propertyName"]))
                where, known = _join(key, tag["propertyName"]), ", ".join(tag["mapping"])
                return f"{where}: expected one of {known}; found {found}"
            case "value_error":
                return f"{key}: {self._facts['error']}"
        return f"{key}: expected {self._expected()}, found {self._shown()}"

    def _expected(self) -> str:
        bounds = {
            "greater_than_equal": "{ge} or more",
            "less_than_equal": "{le} or less",
            "greater_than": "more than {gt}",
            "less_than": "less than {lt}",
            "too_short": "a list of {min_length} or more",
            "too_long": "a list of {max_length} or fewer",
            "string_too_short": "at least {min_length} character",
            "string_too_long": "at most {max_length} characters",
            "string_pattern_mismatch": "a text of the form {pattern}",
            "finite_number": "a finite number",
        }
        if self._kind in bounds:
            expected = bounds[self._kind].format(**{k: whole(v) for k, v in self._facts.items()})
            named = self._facts.get("pattern") == NAME
            return f"{expected} (lower-case letters, digits and _)" if named else expected
        if self._kind == "literal_error":
            known = self._schema.get("enum", [self._schema.get("const")])
            # A number is meant as it is written: 11 is no misspelt 1.
            texts = any(isinstance(value, str) for value in (self._found, *known))
            return f"one of {', '.join(map(str, known))}{_closest(self._found, known) if texts else ''}"
        kind = _KINDS.get(self._kind.removesuffix("_type").removesuffix("_from_float"))
        words = "".join(f" or {one['const']}" for one in self._schema.get("anyOf", ()) if "const" in one)
        return _TYPES[kind] + words if kind else f"something else ({self._kind})"

    def _shown(self) -> str:
        """Return what was found, in words if a value would say little."""
        return "an empty one" if self._kind == "too_short" and not self._found else _short(self._found)


def _place(loc: Iterable[str | int], root: Schema) -> tuple[Path, Schema]:
    """Return the path in a study and its schema, from pydantic's location, which names union branches too."""
    path: Path = ()
    schema = _resolve(root, root)
    for part in loc:
        if "discriminator" in schema:
            schema = _resolve({"$ref": schema["discriminator"]["mapping"][part]}, root)
            continue
        path = (*path, part)
        inner = (
            schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
        )
        schema = _resolve(inner, root)
    return path, schema


def _resolve(schema: Schema, root: Schema) -> Schema:
    """Return the schema that a reference, or the reference in a union, points to."""
    for branch in schema.get("anyOf", ()):
        if "$ref" in branch:
            return _resolve(branch, root)
    if "$ref" not in schema:
        return schema
    target: Any = root
    for part in schema["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return target


def _key(path: Iterable[Any]) -> str:
    key = ""
    for part in path:
        key = f"{key}[{part}]" if isinstance(part, int) else _join(key, _name(part))
    return key


def _name(key: Any) -> str:
    """Return a key fit for one line."""
    text = redact(str(key))
    return text if text.isprintable() and len(text) <= 60 else _short(key)


def _join(key: str, part: Any) -> str:
    return f"{key}.{part}" if key else str(part)


def _short(value: Any) -> str:
    # Secrets of an address are never repeated.
    text = redact(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _closest(name: Any, known: Iterable[Any]) -> str:
    close = get_close_matches(str(name), list(map(str, known)), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
