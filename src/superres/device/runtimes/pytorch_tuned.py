"""PyTorch with tuned settings: `channels_last`, and an allocator that keeps freed memory.

Its documentation advises both. The network and its kernels are those of `pytorch`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from superres.device.machine.facts import keep_freed_memory
from superres.device.runtimes import pytorch

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.base import Settings
    from superres.device.runtimes.sessions.pytorch import PytorchSession

ABOUT = replace(pytorch.ABOUT, label="PyTorch tuned", marker="p")

check_precision = pytorch.check_precision


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Write the program with its weights in the order of pixels; see `base.Runtime`."""
    from superres.device.runtimes.sessions.pytorch import build_program

    check_precision(settings.precision)
    return build_program(model, engine, settings, channels_last=True)


def open_engine(engine: Path, settings: Settings) -> PytorchSession:
    """Open the engine, and make this process keep freed memory; see `base.Runtime`."""
    from superres.device.runtimes.sessions.pytorch import open_program

    keep_freed_memory()
    return open_program(engine, settings, channels_last=True)


def versions() -> dict[str, str]:
    """Version of PyTorch, which names its build as well."""
    return {"pytorch_tuned": pytorch.versions()["pytorch"]}
