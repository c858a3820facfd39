"""What all models of study keys have in common: frozen, closed, and as strict as YAML's own types.

Light: a dry run imports it.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Keys(BaseModel):
    """A mapping of a study: unknown keys, texts for numbers, infinities and changes are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _whole(value: Any) -> Any:
    """A whole number may be written as 2.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Combine them with Field(ge=...) and the like: Annotated[Whole, Field(ge=1)].
Whole = Annotated[int, BeforeValidator(_whole)]
# A list in YAML, a tuple here.
Texts = Annotated[tuple[str, ...], Field(strict=False)]
