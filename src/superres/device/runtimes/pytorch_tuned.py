"""PyTorch as fast as settings make it: pixels' channels beside each other in memory, and memory that is kept.

Both are what its documentation advises (`channels_last`; an allocator that keeps freed blocks): the network and its
kernels are the same as in `pytorch`.
"""

from pathlib import Path
from typing import Any, Dict, Optional

import torch

from superres.device.machine.memory import keep_freed_memory
from superres.device.runtimes import pytorch
from superres.device.runtimes.base import Settings
from superres.device.runtimes.pytorch import PytorchSession, build_program, open_program


def check_precision(precision: str) -> None:
    """As PyTorch as it comes; see `base.Runtime`."""
    pytorch.check_precision(precision)


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Write the program with its weights in the order of pixels; see `base.Runtime`."""
    return build_program(model, engine, settings, channels_last=True)


def open_engine(engine: Path, settings: Settings) -> PytorchSession:
    """Open the engine, and have this process keep freed memory from now on; see `base.Runtime`."""
    keep_freed_memory()
    return open_program(engine, settings, channels_last=True)


def versions() -> Dict[str, str]:
    """Version of PyTorch, which names its build as well."""
    return {"pytorch_tuned": torch.__version__}
