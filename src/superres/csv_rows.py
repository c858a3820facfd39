"""Read and write tables of figures as CSV files, always checked against a schema."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dataframely as dy
import polars as pl
from dataframely.exc import ValidationError

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs

Row = Mapping[str, Any]
"""One row of a table of figures: column names and values."""

_S = TypeVar("_S", bound=dy.Schema)


def write_rows(schema: type[dy.Schema], rows: Sequence[Row], out: Path) -> None:
    """Check rows against a schema and write them as CSV.

    Raises UserError and writes nothing if they don't fit.
    """
    frame = pl.DataFrame(list(rows), schema=schema.create_empty().schema)
    try:
        checked = schema.validate(frame)
    except ValidationError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{out}: expected whole and unique rows, found: {reason}") from error
    with Outputs({"rows": str(out)}) as outputs:
        checked.write_csv(outputs["rows"])


def read_rows(schema: type[_S], path: Path, what: str) -> dy.DataFrame[_S]:
    """Read a CSV file and check it against a schema.

    Raises UserError if it doesn't fit; `what` names the expected content.
    """
    try:
        frame = pl.read_csv(path, schema_overrides=schema.create_empty().schema)
        return schema.validate(frame.select(schema.column_names()))
    except (OSError, pl.exceptions.PolarsError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected {what}, found something else: {reason}") from error
