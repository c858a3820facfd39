"""PyTorch: a TorchScript program run by its own kernels, on the GPU where there is one."""

import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
import torch

from superres.device.errors import UnsupportedError, UserError
from superres.device.machine import computes_bf16
from superres.device.runtimes.base import Session, Settings

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Copy the program: its kernels need no building; see `base.Runtime`."""
    if settings.precision not in _TYPES:
        raise UnsupportedError(f"pytorch runs {', '.join(_TYPES)}, not {settings.precision}")
    device = _device()
    if settings.precision == "fp16" and device.type != "cuda":
        raise UnsupportedError("needs a CUDA device")
    if model is None or not zipfile.is_zipfile(str(model)):
        raise UserError(f"{model}: expected a TorchScript program, found none")
    shutil.copyfile(str(model), str(engine))
    _load(engine, device)
    return {"device": _device_name(device), "native": _is_native(settings.precision, device)}


def open_engine(engine: Path, settings: Settings) -> "PytorchSession":
    """Open the engine; see `base.Runtime`."""
    torch.set_num_threads(settings.threads)
    device = _device()
    return PytorchSession(_load(engine, device), device, _TYPES[settings.precision])


def versions() -> Dict[str, str]:
    """Version of PyTorch, which names its build as well."""
    return {"pytorch": torch.__version__}


class PytorchSession(Session):
    """A program on float32 planes; lower precisions by automatic casting."""

    def __init__(self, program: torch.nn.Module, device: torch.device, dtype: torch.dtype):
        self._program = program
        self._device = device
        self._dtype = dtype
        self._pixels = torch.empty((0, 0, 3), dtype=torch.uint8)
        self._frame = torch.empty((0, 0, 3), dtype=torch.uint8)

    @torch.inference_mode()
    def preprocess(self, frame: np.ndarray) -> torch.Tensor:
        if frame.shape != tuple(self._pixels.shape):
            self._allocate((frame.shape[0], frame.shape[1]))
        # Frames are read-only views of a file, and PyTorch knows only memory that can be written.
        np.copyto(self._pixels.numpy(), frame)
        pixels = self._pixels.to(self._device, non_blocking=True)
        return pixels.permute(2, 0, 1).unsqueeze(0).to(torch.float32).contiguous().div_(255)

    @torch.inference_mode()
    def execute(self, inputs: torch.Tensor) -> torch.Tensor:
        casting = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype if casting else None, enabled=casting):
            outputs = self._program(inputs)
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return outputs

    @torch.inference_mode()
    def postprocess(self, outputs: torch.Tensor) -> np.ndarray:
        levels = outputs[0].to(torch.float32).mul(255).round_().clamp_(0, 255)
        self._frame.copy_(levels.to(torch.uint8).permute(1, 2, 0))
        return self._frame.numpy()

    def _allocate(self, size: Tuple[int, int]) -> None:
        height, width = size
        pinned = self._device.type == "cuda"
        self._pixels = torch.empty((height, width, 3), dtype=torch.uint8, pin_memory=pinned)
        self._frame = torch.empty((2 * height, 2 * width, 3), dtype=torch.uint8, pin_memory=pinned)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"


def _is_native(precision: str, device: torch.device) -> bool:
    """Whether the device computes in a precision itself, rather than by way of another."""
    if precision != "bf16":
        return True
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return computes_bf16()


def _load(path: Path, device: torch.device) -> torch.nn.Module:
    with warnings.catch_warnings():
        # TorchScript is no longer developed, and newer versions of PyTorch say so.
        warnings.filterwarnings("ignore", r"`?torch\.jit\.\w+`? is")
        return torch.jit.load(str(path), map_location=device).eval()
