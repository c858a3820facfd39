"""Read and write tables of figures as CSV files, always checked against a schema."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import dataframely as dy
import polars as pl
from dataframely.exc import ValidationError

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs
from superres.device.base.words import counted

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
    columns = schema.create_empty().schema
    try:
        return schema.validate(read_columns(columns, path, what, may_be_empty=columns))
    except ValidationError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected {what}, found something else: {reason}") from error


def read_columns(
    columns: Mapping[str, Any], path: Path, what: str = "figures", may_be_empty: Collection[str] = ()
) -> pl.DataFrame:
    """Read columns of a CSV file that a job wrote; `columns` are their types.

    Raises UserError, with line and column, for a damaged file, and for an empty cell of a column that isn't
    among those that may be empty. `what` names the expected content.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if (fault := next(_faults(text, columns, what, may_be_empty), None)) is None:
            return pl.read_csv(io.BytesIO(text.encode()), schema_overrides=columns).select(list(columns))
    except (OSError, UnicodeDecodeError, csv.Error, pl.exceptions.PolarsError) as error:
        fault = f"expected {what}, found: {' '.join(str(error).split())}"
    raise UserError(f"{path}: {fault}; make it again")


def _faults(text: str, columns: Mapping[str, Any], what: str, may_be_empty: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a CSV file, line by line."""
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows, [])
    if missing := [name for name in columns if name not in header]:
        yield f"line 1: expected {what}, missing columns: {', '.join(missing)}"
        return
    checks = [(header.index(name), name, *_kind(kind)) for name, kind in columns.items()]
    for row in rows:
        if len(row) != len(header):
            yield f"line {rows.line_num}: expected {counted(len(header), 'value')}, found {len(row)}"
            continue
        for place, name, expected, parse in checks:
            cell = row[place]
            if cell == "" and name not in may_be_empty:
                yield f"line {rows.line_num}, column {name}: expected a value, found none"
            elif cell != "" and not _fits(parse, cell):
                yield f"line {rows.line_num}, column {name}: expected {expected}, found {cell[:40]!r}"
    if not text.endswith("\n"):
        yield f"line {rows.line_num}: expected a whole line, found it cut off"


def _kind(kind: Any) -> tuple[str, Callable[[str], object]]:
    """Return how a type of cell is called, and what reads it."""
    if kind.is_integer():
        return "a whole number", int
    return ("a number", float) if kind.is_float() else ("a text", str)


def _fits(parse: Callable[[str], object], cell: str) -> bool:
    try:
        parse(cell)
    except ValueError:
        return False
    return True
