"""Whole numbers alone, in numpy: what hand-written fixed-point code would give. A reference for PSNR, not for speed."""

from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.fixed_point import Tables, read_tables, upscale
from superres.device.runtimes.base import Session, Settings


def check_precision(precision: str) -> None:
    """Raise UnsupportedError unless it is INT8; see `base.Runtime`."""
    if not precision.startswith("int8-"):
        raise UnsupportedError(f"fixedpoint has whole numbers only, no {precision}")


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Take the tables over as they are, once they are known to be such; see `base.Runtime`."""
    check_precision(settings.precision)
    if settings.frames != "uint8":
        raise UnsupportedError(f"fixedpoint takes and gives uint8 frames only, not {settings.frames}")
    if model is None:
        raise UserError("fixedpoint: expected tables as model, found none")
    tables = read_tables(model)
    engine.write_bytes(model.read_bytes())
    return {"operations": len(tables.program), "output_fraction_bits": tables.fraction_bits}


def open_engine(engine: Path, settings: Settings) -> "FixedPointSession":
    """Open the engine; see `base.Runtime`."""
    return FixedPointSession(read_tables(engine), settings.threads)


def versions() -> Dict[str, str]:
    """Version of numpy."""
    return {"fixedpoint": np.__version__}


class FixedPointSession(Session):
    """A network in whole numbers."""

    reference = True

    def __init__(self, tables: Tables, threads: int):
        self._tables = tables
        self._threads = threads

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        return upscale(self._tables, inputs, self._threads)

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        return outputs
