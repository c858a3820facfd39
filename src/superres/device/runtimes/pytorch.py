"""PyTorch with its defaults: a TorchScript program, on the GPU if there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from superres.device.base.errors import UnsupportedError
from superres.device.runtimes.base import About, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from superres.device.runtimes.sessions.pytorch import PytorchSession

ABOUT = About(
    label="PyTorch",
    marker="o",
    package="torch",
    distributions=("torch",),
    precisions=("fp32", "fp16", "bf16"),
    source="program",
    refusals=dict.fromkeys(
        ("int8", "int8-trt"),
        "expected fp32, fp16 or bf16 for {runtime}, found {precision}: Q/DQ graphs run in onnxruntime "
        "and openvino",
    ),
)


def check_precision(precision: str) -> None:
    """Raise UnsupportedError for INT8, and for fp16 without a CUDA device; see `base.Runtime`."""
    if precision not in ABOUT.precisions:
        raise UnsupportedError(f"pytorch runs {', '.join(ABOUT.precisions)}, not {precision}")
    if precision == "fp16":
        import torch

        if not torch.cuda.is_available():
            raise UnsupportedError("needs a CUDA device")


def build(model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
    """Copy the program, or add the conversion of frames to it; see `base.Runtime`."""
    from superres.device.runtimes.sessions.pytorch import build_program

    check_precision(settings.precision)
    return build_program(model, engine, settings, channels_last=False)


def open_engine(engine: Path, settings: Settings) -> PytorchSession:
    """Open the engine; see `base.Runtime`."""
    from superres.device.runtimes.sessions.pytorch import open_program

    return open_program(engine, settings, channels_last=False)


def versions() -> dict[str, str]:
    """Version of PyTorch, which names its build as well."""
    import torch

    return {"pytorch": torch.__version__}
