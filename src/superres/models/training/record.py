"""What a training leaves behind besides weights and log: its record (JSON)."""

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from superres.device.base.outputs import Outputs, write_json
from superres.models.training.batches import Pairs


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
