"""The log of a training (CSV): a row every so many steps. Light: a plot reads it without torch."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_csv

COLUMNS = ("step", "learning_rate", "loss", "validation_psnr_y_db", "objective")


@dataclass(frozen=True)
class LogRow:
    """One row of the log: `loss` is the mean of the objective since the row before."""

    step: int
    learning_rate: float
    loss: float
    validation_psnr_y_db: float | None
    objective: str


def write_log(rows: Sequence[LogRow], path: Path) -> None:
    """Write the log as CSV, whole or not at all; the validation column is empty where none took place."""
    with Outputs({"log": str(path)}) as outputs:
        write_csv(outputs["log"], COLUMNS, ([getattr(row, column) for column in COLUMNS] for row in rows))


def read_log(log: Path) -> list[LogRow]:
    """Read the rows that `write_log` wrote; raises UserError if the file is no such log or is empty."""
    try:
        with log.open(newline="", encoding="utf-8") as file:
            rows = [
                LogRow(
                    step=int(row["step"]),
                    learning_rate=float(row["learning_rate"]),
                    loss=float(row["loss"]),
                    validation_psnr_y_db=float(text) if (text := row["validation_psnr_y_db"]) else None,
                    objective=row["objective"],
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{log}: expected a training log ({','.join(COLUMNS)}), found otherwise: {error!r}"
        ) from error
    if not rows:
        raise UserError(f"{log}: expected at least one row, found none")
    return rows
