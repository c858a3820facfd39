"""Markdown tables, and the rows of CSV files."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def markdown(columns: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with columns of figures aligned to the right."""
    lines = [list(columns), *rows]
    widths = [max(3, *(len(cell) for cell in column)) for column in zip(*lines, strict=True)]
    right = [all(re.match(r"[-+~]?\d|$", cell) for cell in column) for column in zip(*rows, strict=True)]
    shown = [
        [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ]
        for line in lines
    ]
    rule = ["-" * (width - 1) + (":" if number else "-") for width, number in zip(widths, right, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in [shown[0], rule, *shown[1:]])


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write some columns of rows as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
