"""Building blocks of settings: pydantic models that are closed, frozen and never coerce.

A room builds its settings from these, and a study uses them as its keys. Light: dry runs import it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")


class Keys(BaseModel):
    """A mapping of declared keys only. Values aren't converted or changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def mistake(text: str, *at: str | int, key: str = "", later: bool = False) -> PydanticCustomError:
    """Return an error for a validator to raise: `text` says what was expected and found.

    It concerns the validated value, the place `at` inside it, or another `key`. A mistake that may follow
    from others, such as an unknown name, is reported `later` than those.
    """
    return PydanticCustomError("mistake", "{text}", {"text": text, "at": at, "key": key, "later": later})


def whole(value: Any) -> Any:
    """Return 2.0 as the whole number 2, and any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_boolean(value: Any) -> Any:
    """Refuse True and False, which Python takes for 1 and 0."""
    if isinstance(value, bool):
        raise mistake("expected a whole number, found {found}")
    return value


def _listed(value: Any) -> Any:
    """Accept a tuple, which code may give."""
    return list(value) if isinstance(value, tuple) else value


def _as_it_is() -> core_schema.SerSchema:
    return core_schema.plain_serializer_function_ser_schema(lambda value: value)


@dataclass(frozen=True)
class AsList:
    """A tuple, written as a list of at least `least` and at most `most` entries."""

    least: int = 0
    most: int | None = None
    unique: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entries = handler.generate_schema(get_args(source)[0])
        listed = core_schema.list_schema(entries, min_length=self.least or None, max_length=self.most)
        return core_schema.no_info_after_validator_function(
            self._check,
            core_schema.no_info_before_validator_function(_listed, listed),
            serialization=_as_it_is(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | ({"uniqueItems": True} if self.unique else {})

    def _check(self, entries: list[Any]) -> tuple[Any, ...]:
        if self.unique:
            for i, entry in enumerate(entries):
                if entry in entries[:i]:
                    raise mistake(f"expected each entry once, found {entry!r} twice")
        return tuple(entries)


class LeftOut:
    """A value that is None if left out. Code may give None, a study may not write null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (kind,) = (one for one in get_args(source) if one is not NoneType)
        return core_schema.with_info_wrap_validator_function(
            self._check, handler.generate_schema(kind), serialization=_as_it_is()
        )

    @staticmethod
    def _check(value: Any, handler: Callable[[Any], Any], info: core_schema.ValidationInfo) -> Any:
        return None if value is None and info.context is None else handler(value)


@dataclass(frozen=True)
class OrWord:
    """A value of the annotated type, or one word."""

    word: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: value if value == self.word else check(value),
            handler(source),
            serialization=_as_it_is(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"const": self.word, "type": "string"}]}


@dataclass(frozen=True)
class OneOf:
    """One of the texts that `known` returns."""

    known: Callable[[], Iterable[str]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.known()))


@dataclass(frozen=True)
class ByName:
    """A mapping by name, written as a list of entries with unique names.

    Entries have the type `written`, and `make` turns each into a value. By default entries are the values.
    """

    written: Any = None
    make: Callable[[Any, core_schema.ValidationInfo], Any] = lambda entry, _: entry
    least: int = 0

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        entry = handler.generate_schema(self.written or get_args(source)[1])
        return core_schema.with_info_after_validator_function(
            self._by_name,
            core_schema.list_schema(entry, min_length=self.least or None),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda named: [*named.values()]),
        )

    def _by_name(self, entries: list[Any], info: core_schema.ValidationInfo) -> dict[str, Any]:
        named: dict[str, Any] = {}
        for i, entry in enumerate(entries):
            if entry.name in named:
                text = f"expected a name of its own, found {entry.name!r} a second time"
                raise mistake(text, i, "name")
            named[entry.name] = self.make(entry, info)
        return named


Whole = Annotated[int, BeforeValidator(whole)]
"""A whole number. Add bounds with Annotated[Whole, Field(ge=1)]."""

Count = Annotated[Whole, Field(ge=1)]
"""A number of things: 1 or more."""

Numeral = BeforeValidator(_no_boolean)
"""For one of some numbers: Annotated[Literal[1, 2], Numeral]."""

SCALES = range(1, 9)

Scale = Annotated[Whole, Field(ge=SCALES[0], le=SCALES[-1])]
"""How many times as wide and high as a frame a model's output is."""

Index = Annotated[Whole, Field(ge=0)]
"""An index, or a number of things: 0 or more."""

Seed = Annotated[Whole, Field(ge=0, le=2**32 - 1)]
"""Seed of random numbers."""

Pixels = Annotated[Whole, Field(ge=16, le=16384)]
"""Width or height of images."""

NAME = r"^[a-z0-9][a-z0-9_]*$"

Name = Annotated[str, Field(pattern=NAME, max_length=100)]
"""A name in file names and tables; with what is added to it, it fits into a file's."""

Many = Annotated[tuple[T, ...], AsList()]
"""Any number of entries."""

Some = Annotated[tuple[T, ...], AsList(least=1)]
"""One or more entries."""

Pair = Annotated[tuple[T, ...], AsList(least=2, most=2)]
"""Two entries."""

ManyOnce = Annotated[tuple[T, ...], AsList(unique=True)]
"""Any number of entries, each once."""

SomeOnce = Annotated[tuple[T, ...], AsList(least=1, unique=True)]
"""One or more entries, each once."""

Maybe = Annotated[T | None, LeftOut()]
"""A value that may be left out."""

Named = Annotated[Mapping[str, T], ByName()]
"""Any number of entries, by their names."""

SomeNamed = Annotated[Mapping[str, T], ByName(least=1)]
"""One or more entries, by their names."""
