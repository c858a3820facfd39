"""Run TorchScript programs in PyTorch, `channels_last` (see `pytorch_tuned`) or not."""

import shutil
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

import numpy as np
import torch

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.machine.facts import computes_bf16
from superres.device.runtimes.base import WARMUP_RUNS, LayerTime, Session, Settings, convolution_macs

_OPERATOR = "aten::"
_BF16_CAPABILITY = (8, 0)
"""The first compute capability with bf16 arithmetic: Ampere, which Orin has and Xavier has not."""

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Uint8Frames(torch.nn.Module):
    """A program on float32 planes as one on uint8 frames: 1 x H x W x 3 in, 1 x sH x sW x 3 out."""

    def __init__(self, program: torch.nn.Module, channels_last: bool):
        super().__init__()
        self.program = program
        self.channels_last = channels_last

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return _to_frames(self.program(_to_planes(frames, self.channels_last)))


def build_program(
    model: Optional[Path], engine: Path, settings: Settings, *, channels_last: bool
) -> Dict[str, Any]:
    """Write a program with its weights in either layout; see `base.Runtime.build`."""
    if model is None:
        raise UnsupportedError("PyTorch runs networks of this package; this one is an ONNX file alone")
    device = _device()
    if not zipfile.is_zipfile(str(model)):
        raise UserError(f"{model}: expected a TorchScript program, found none")
    shutil.copyfile(str(model), str(engine))
    program = _load(engine, device)
    if channels_last:
        program.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    if settings.frames == "uint8":
        program = _put_frames_around(program, channels_last)
    if channels_last or settings.frames == "uint8":
        _save(program, engine)
    return {"device": _device_name(device), "native": _is_native(settings.precision, device)}


def open_program(engine: Path, settings: Settings, *, channels_last: bool) -> "PytorchSession":
    """Open a program that `build_program` wrote for the same layout."""
    torch.set_num_threads(settings.threads)
    device = _device()
    return PytorchSession(_load(engine, device), device, settings, channels_last=channels_last)


class PytorchSession(Session):
    """A program on frames or planes; lower precisions by automatic casting."""

    def __init__(
        self, program: torch.nn.Module, device: torch.device, settings: Settings, *, channels_last: bool
    ):
        self.queued = device.type == "cuda"
        self._program = program
        self._channels_last = channels_last
        self._device = device
        self._dtype = _TYPES[settings.precision]
        self._planar = settings.frames == "float32"
        self._scale = settings.scale
        self._pixels = torch.empty((0, 0, 3), dtype=torch.uint8)
        self._frame = torch.empty((0, 0, 3), dtype=torch.uint8)

    @torch.inference_mode()
    def preprocess(self, frame: np.ndarray) -> torch.Tensor:
        if frame.shape != tuple(self._pixels.shape):
            self._allocate((frame.shape[0], frame.shape[1]))
        # Frames are read-only views of a file, and PyTorch needs writable memory.
        np.copyto(self._pixels.numpy(), frame)
        frames = self._pixels.to(self._device, non_blocking=True).unsqueeze(0)
        return _to_planes(frames, self._channels_last) if self._planar else frames

    def execute(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.wait(self.enqueue(inputs))

    @torch.inference_mode()
    def enqueue(self, inputs: torch.Tensor) -> torch.Tensor:
        casting = self._dtype != torch.float32
        if self.queued:
            # Copies to the device aren't timed as computation.
            torch.cuda.synchronize()
            self._events = (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
            self._events[0].record()
        with torch.autocast(self._device.type, dtype=self._dtype if casting else None, enabled=casting):
            outputs = self._program(inputs)
        if self.queued:
            self._events[1].record()
        return outputs

    def wait(self, work: torch.Tensor) -> torch.Tensor:
        if self.queued:
            torch.cuda.synchronize()
        return work

    def device_ms(self) -> Optional[float]:
        return self._events[0].elapsed_time(self._events[1]) if self.queued else None

    def device_memory_bytes(self) -> Optional[int]:
        return torch.cuda.max_memory_reserved() if self.queued else None

    @torch.inference_mode()
    def postprocess(self, outputs: torch.Tensor) -> np.ndarray:
        self._frame.copy_((_to_frames(outputs) if self._planar else outputs)[0])
        return self._frame.numpy()

    def profile(self, frame: np.ndarray, runs: int) -> List[LayerTime]:
        for _ in range(WARMUP_RUNS):
            self.run(frame)
        activities = [torch.profiler.ProfilerActivity.CPU]
        if self.queued:
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        times = []
        inputs = self.preprocess(frame)
        for run in range(runs):
            with torch.profiler.profile(activities=activities, record_shapes=True) as profiler:
                self.execute(inputs)
            times += _layer_times(run, profiler.events() or (), self.queued)
        return times

    def _allocate(self, size: Tuple[int, int]) -> None:
        height, width = size
        pinned = self._device.type == "cuda"
        self._pixels = torch.empty((height, width, 3), dtype=torch.uint8, pin_memory=pinned)
        larger = self._scale * height, self._scale * width
        self._frame = torch.empty((*larger, 3), dtype=torch.uint8, pin_memory=pinned)


def _layer_times(run: int, events: Iterable[Any], queued: bool) -> List[LayerTime]:
    """Return the outermost operators of a program in call order, each including its nested calls."""
    times: List[LayerTime] = []
    for event in events:
        inside = event.cpu_parent is not None and event.cpu_parent.name.startswith(_OPERATOR)
        if not event.name.startswith(_OPERATOR) or inside:
            continue
        kind = event.name[len(_OPERATOR) :]
        shape, macs = _read_shapes(kind, event)
        microseconds = _device_time(event) if queued else event.cpu_time_total
        types = getattr(event, "input_dtypes", None) or [""]
        layer = f"{len(times)} {event.name}"
        times.append(LayerTime(run, layer, kind, str(types[0]), shape, macs, (), microseconds / 1000))
    return times


def _device_time(event: Any) -> float:
    """Return an event's microseconds on the device; before PyTorch 2.4 the name said CUDA."""
    return event.device_time_total if hasattr(event, "device_time_total") else event.cuda_time_total


def _read_shapes(kind: str, event: Any) -> Tuple[Tuple[int, ...], int]:
    """Return the shape of an operator's input, and its multiply-adds."""
    shapes = [tuple(shape) for shape in event.input_shapes if shape]
    if "conv" in kind:
        # Values on TorchScript's stack for later operators may precede an operator's own inputs.
        for data, weights in zip(shapes, shapes[1:]):
            if len(data) == len(weights) == 4 and data[1] == weights[1]:
                return data, convolution_macs(weights, *_result_size(event, data, weights))
    return (shapes[0] if shapes else ()), 0


def _result_size(event: Any, data: Tuple[int, ...], weights: Tuple[int, ...]) -> Tuple[int, int]:
    """Return height and width of a convolution's result; those of its data if the padding is unknown."""
    lists = [value for value in getattr(event, "concrete_inputs", None) or () if isinstance(value, list)]
    if len(lists) < 2:
        return data[2], data[3]
    (stride, padding), axes = lists[:2], (0, 1)
    height, width = (
        (data[2 + axis] + 2 * padding[axis] - weights[2 + axis]) // stride[axis] + 1 for axis in axes
    )
    return height, width


def _to_planes(frames: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """Convert uint8 frames N x H x W x 3 to float32 planes N x 3 x H x W, range 0 to 1, in either layout."""
    planes = frames.permute(0, 3, 1, 2).to(torch.float32)
    # The planes' order chooses the kernels.
    last = torch.channels_last
    return (planes.contiguous(memory_format=last) if channels_last else planes.contiguous()).div_(255)


def _to_frames(planes: torch.Tensor) -> torch.Tensor:
    """Convert planes, range 0 to 1, to uint8 frames, rounded to nearest and clipped."""
    # Lower precisions have too few bits to round to levels.
    levels = planes.to(torch.float32).mul_(255).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else "cpu"


def _is_native(precision: str, device: torch.device) -> bool:
    """Return whether the device computes natively in a precision."""
    if precision != "bf16":
        return True
    if device.type == "cuda":
        # `is_bf16_supported` has other arguments in each version, and counts emulation.
        return torch.cuda.get_device_capability() >= _BF16_CAPABILITY
    return computes_bf16()


def _load(path: Path, device: torch.device) -> torch.nn.Module:
    with _no_deprecation():
        return torch.jit.load(str(path), map_location=device).eval()


def _put_frames_around(program: torch.nn.Module, channels_last: bool) -> torch.nn.Module:
    with _no_deprecation():
        return torch.jit.script(Uint8Frames(program, channels_last))


def _save(program: torch.nn.Module, path: Path) -> None:
    with _no_deprecation():
        torch.jit.save(program, str(path))


@contextmanager
def _no_deprecation() -> Iterator[None]:
    """Hide newer PyTorch's warnings that TorchScript is no longer developed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`?torch\.jit\.\w+`? is")
        yield
