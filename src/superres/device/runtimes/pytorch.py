"""PyTorch: a TorchScript program run by its own kernels, on the GPU where there is one."""

import shutil
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

import numpy as np
import torch

from superres.device.errors import UnsupportedError, UserError
from superres.device.machine import computes_bf16
from superres.device.runtimes.base import Session, Settings

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Uint8Frames(torch.nn.Module):
    """A program on float32 planes as one on uint8 frames: 1 x H x W x 3 in, 1 x 2H x 2W x 3 out."""

    def __init__(self, program: torch.nn.Module):
        super().__init__()
        self.program = program

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return _to_frames(self.program(_to_planes(frames)))


def check_precision(precision: str) -> None:
    """Raise UnsupportedError for INT8, and for fp16 without a CUDA device; see `base.Runtime`."""
    if precision not in _TYPES:
        raise UnsupportedError(f"pytorch runs {', '.join(_TYPES)}, not {precision}")
    if precision == "fp16" and _device().type != "cuda":
        raise UnsupportedError("needs a CUDA device")


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Copy the program, whose kernels need no building, or put frames around it; see `base.Runtime`."""
    check_precision(settings.precision)
    device = _device()
    if model is None or not zipfile.is_zipfile(str(model)):
        raise UserError(f"{model}: expected a TorchScript program, found none")
    shutil.copyfile(str(model), str(engine))
    program = _load(engine, device)
    if settings.frames == "uint8":
        _put_frames_around(program, engine)
    return {"device": _device_name(device), "native": _is_native(settings.precision, device)}


def open_engine(engine: Path, settings: Settings) -> "PytorchSession":
    """Open the engine; see `base.Runtime`."""
    torch.set_num_threads(settings.threads)
    device = _device()
    return PytorchSession(_load(engine, device), device, settings)


def versions() -> Dict[str, str]:
    """Version of PyTorch, which names its build as well."""
    return {"pytorch": torch.__version__}


class PytorchSession(Session):
    """A program on frames or planes; lower precisions by automatic casting."""

    def __init__(self, program: torch.nn.Module, device: torch.device, settings: Settings):
        self._program = program
        self._device = device
        self._dtype = _TYPES[settings.precision]
        self._planar = settings.frames == "float32"
        self._pixels = torch.empty((0, 0, 3), dtype=torch.uint8)
        self._frame = torch.empty((0, 0, 3), dtype=torch.uint8)

    @torch.inference_mode()
    def preprocess(self, frame: np.ndarray) -> torch.Tensor:
        if frame.shape != tuple(self._pixels.shape):
            self._allocate((frame.shape[0], frame.shape[1]))
        # Frames are read-only views of a file, and PyTorch knows only memory that can be written.
        np.copyto(self._pixels.numpy(), frame)
        frames = self._pixels.to(self._device, non_blocking=True).unsqueeze(0)
        return _to_planes(frames) if self._planar else frames

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
        self._frame.copy_((_to_frames(outputs) if self._planar else outputs)[0])
        return self._frame.numpy()

    def _allocate(self, size: Tuple[int, int]) -> None:
        height, width = size
        pinned = self._device.type == "cuda"
        self._pixels = torch.empty((height, width, 3), dtype=torch.uint8, pin_memory=pinned)
        self._frame = torch.empty((2 * height, 2 * width, 3), dtype=torch.uint8, pin_memory=pinned)


def _to_planes(frames: torch.Tensor) -> torch.Tensor:
    """From uint8 frames N x H x W x 3 to float32 planes N x 3 x H x W, range 0 to 1."""
    # Contiguous, or the planes' strides would choose other kernels.
    return frames.permute(0, 3, 1, 2).to(torch.float32).contiguous().div_(255)


def _to_frames(planes: torch.Tensor) -> torch.Tensor:
    """From planes, range 0 to 1, to uint8 frames, rounded to nearest, values outside limited."""
    # What comes in a lower precision has too few bits for levels that are to be rounded.
    levels = planes.to(torch.float32).mul_(255).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1)


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
    with _no_deprecation():
        return torch.jit.load(str(path), map_location=device).eval()


def _put_frames_around(program: torch.nn.Module, path: Path) -> None:
    with _no_deprecation():
        torch.jit.save(torch.jit.script(Uint8Frames(program)), str(path))


@contextmanager
def _no_deprecation() -> Iterator[None]:
    """TorchScript is no longer developed, and newer versions of PyTorch say so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`?torch\.jit\.\w+`? is")
        yield
