"""What a training leaves behind besides weights: its log (CSV) and its record (JSON)."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from superres.device.base.outputs import Outputs, write_csv, write_json
from superres.models.training.batches import Pairs

COLUMNS = ("step", "learning_rate", "loss", "validation_psnr_y_db", "objective")


@dataclass(frozen=True)
class LogRow:
    """One row of the log: `loss` is the mean of the objective since the row before."""

    step: int
    learning_rate: float
    loss: float
    validation_psnr_y_db: float | None
    objective: str


@dataclass(frozen=True)
class TrainingRecord:
    """Where weights come from; PSNRs are means over the validation images (see `validation`)."""

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


def write_log(rows: Sequence[LogRow], path: Path) -> None:
    """Write the log as CSV, whole or not at all; the validation column is empty where none took place."""
    with Outputs({"log": str(path)}) as outputs:
        write_csv(outputs["log"], COLUMNS, ([getattr(row, column) for column in COLUMNS] for row in rows))


def write_record(record: TrainingRecord, path: Path) -> None:
    """Write the record as JSON, whole or not at all."""
    with Outputs({"record": str(path)}) as outputs:
        write_json(outputs["record"], asdict(record))


def describe_pairs(pairs: Pairs) -> dict[str, Any]:
    """A set of images as the record names it: its name, their number and their names."""
    return {"name": pairs.name, "images": len(pairs), "names": list(pairs.names)}


def versions() -> dict[str, str]:
    """Versions of what the weights' bits depend on."""
    return {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
