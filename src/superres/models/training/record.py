"""The log (CSV) and the record (JSON) of a training. Light: a plot reads the log without torch."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, write_csv, write_json

SILENT_SHARE = 0.1
COLUMNS = ("step", "learning_rate", "loss", "validation_psnr_y_db", "objective")


@dataclass(frozen=True)
class LogRow:
    """A row of the log: `loss` is the mean of the objective since the previous row."""

    step: int
    learning_rate: float
    loss: float
    validation_psnr_y_db: float | None
    objective: str


def write_log(rows: Sequence[LogRow], path: Path) -> None:
    """Write the log as CSV, whole or not at all; without a validation its column is empty."""
    with Outputs({"log": str(path)}) as outputs:
        write_csv(outputs["log"], COLUMNS, ([getattr(row, column) for column in COLUMNS] for row in rows))


def read_log(log: Path) -> list[LogRow]:
    """Return the rows of a log; raises UserError if the file is no log or is empty."""
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


@dataclass(frozen=True)
class TrainingRecord:
    """The origin of weights; PSNRs are means over the validation images (see `validation.validate`).

    `channels` are those of each convolution but the last; `silent_channels` of them are zero on every
    validation image.
    """

    model: str
    data: dict[str, Any]
    seed: int
    steps: int
    settings: dict[str, Any]
    commit: str
    validation_psnr_y_db: float
    bicubic_psnr_y_db: float
    seconds: float
    versions: dict[str, str]
    architecture: dict[str, Any]
    channels: list[int]
    silent_channels: list[int]


def write_record(record: TrainingRecord, path: Path) -> None:
    """Write the record as JSON, whole or not at all."""
    with Outputs({"record": str(path)}) as outputs:
        write_json(outputs["record"], asdict(record))


def notes(record: TrainingRecord) -> list[str]:
    """Return a line for what went wrong in a training that ended: worse than bicubic, or silent channels."""
    found = []
    if record.validation_psnr_y_db < record.bicubic_psnr_y_db:
        found.append(
            f"{record.validation_psnr_y_db:.2f} dB on the validation images, less than bicubic's "
            f"{record.bicubic_psnr_y_db:.2f}; more steps or images, or another learning_rate, may help"
        )
    silent, channels = sum(record.silent_channels), sum(record.channels)
    if silent > SILENT_SHARE * channels:
        found.append(
            f"{silent} of {channels} channels are zero on every validation image; a lower learning_rate "
            "keeps them"
        )
    return [f"train {record.model}: {note}" for note in found]
