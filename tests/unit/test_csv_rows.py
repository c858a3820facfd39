"""A damaged table is named with its line and column."""

from pathlib import Path

import polars as pl
import pytest

from superres.csv_rows import read_columns
from superres.device.base.errors import UserError

COLUMNS = {"frame": pl.Int64, "name": pl.String, "mse": pl.Float64}
WHOLE = 'frame,name,mse\n0,"a, b",1.5\n1,c,inf\n2,d,2.25\n'


def test_a_whole_table_is_read(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(WHOLE)
    assert read_columns(COLUMNS, path).rows() == [(0, "a, b", 1.5), (1, "c", float("inf")), (2, "d", 2.25)]
    path.write_text("mse,name,frame\n,c,1\n")
    assert read_columns(COLUMNS, path, may_be_empty=["mse"]).rows() == [(1, "c", None)]
    with pytest.raises(UserError, match=r"a\.csv: line 2, column mse: expected a value, found none"):
        read_columns(COLUMNS, path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (WHOLE.replace("1.5", "1.5x"), "line 2, column mse: expected a number, found '1.5x'"),
        (WHOLE.replace("1,c", "1.0,c"), "line 3, column frame: expected a whole number, found '1.0'"),
        (WHOLE.replace(",inf", ""), "line 3: expected 3 values, found 2"),
        (WHOLE.replace("d,", "d,,"), "line 4: expected 3 values, found 4"),
        # Cut off in the last line: before a value, and within a number that is still one.
        (WHOLE[:-5], "line 4, column mse: expected a value, found none"),
        (WHOLE[:-2], "line 4: expected a whole line, found it cut off"),
        (WHOLE[:-8], "line 4: expected 3 values, found 1"),
        (WHOLE.replace("name", "nome"), "line 1: expected figures, missing columns: name"),
        ("", "line 1: expected figures, missing columns: frame, name, mse"),
    ],
)
def test_a_damaged_table_is_named_with_its_place(tmp_path: Path, text: str, fault: str):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_columns(COLUMNS, path)
    assert str(caught.value) == f"{path}: {fault}; make it again"


def test_bytes_that_are_no_text_are_one_line(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(WHOLE.encode() + b"\xff\xfe\n")
    with pytest.raises(UserError, match=r"a\.csv: expected figures, found: .*decode"):
        read_columns(COLUMNS, path)
