"""The interface that all runtimes share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Iterable,
    Iterator,
    Mapping,
    NamedTuple,
    Protocol,
    Sequence,
    Tuple,
)

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.base.errors import UnsupportedError, UserError

if TYPE_CHECKING:
    import numpy as np

Size = Tuple[int, int]

FRAMES = ("uint8", "float32")

WARMUP_RUNS = 3
"""Runs before layers are timed."""

AS_WRITTEN = "as-is"
"""Precision of a graph with any number of Q/DQ pairs: its convolutions may run in INT8 or in float.

That is a network that others have quantised, or a graph with a part of its layers in INT8.

With the option `simulated`, pairs must not become INT8 arithmetic if that changes the result.
"""


def runs_int8(precision: str) -> bool:
    """Return whether a precision is of graphs with quantised layers."""
    return precision.startswith("int8-") or precision == AS_WRITTEN


@dataclass(frozen=True)
class About:
    """Facts of a runtime, known without its package.

    `package` is the Python package that is imported before an engine is built or
    opened; None if there is none, or the runtime imports it itself. An engine
    belongs to the version of the first of `distributions` that is installed.

    `precisions` are of the kinds fp32, fp16, bf16, int8, int8-trt, as-is and uint8. `refusals` are the
    messages for other kinds, `step_refusals` those for steps of a quantisation. Both may contain `{runtime}`,
    `{precision}` and `{qdq}` (the same precision as a Q/DQ graph); see `runtimes.refusal`.

    `source` is the model that engines are built from: `onnx`, `program` (PyTorch's) or
    `none`. `fp16_file`: fp16 is written into the ONNX file. `sized`: engines are built
    for frame sizes. `device_bound`: they belong to one model of device. `frames` are
    the types of frames that they take. `build_options` are the builder's option names.
    """

    label: str
    marker: str
    precisions: tuple[str, ...]
    source: str
    package: str | None = None
    distributions: tuple[str, ...] = ()
    refusals: Mapping[str, str] = field(default_factory=dict)
    step_refusals: Mapping[str, str] = field(default_factory=dict)
    sized: bool = False
    fp16_file: bool = False
    device_bound: bool = False
    frames: tuple[str, ...] = FRAMES
    build_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Settings of an engine: precision name, number of threads, options of its runtime.

    When the engine is opened, `facts` are those that `build` returned.
    """

    precision: str
    threads: int
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> str:
        """The option `frames`: the type of the engine's input and output.

        `uint8`: frames, which the engine converts. `float32`: planes, which the session converts.
        Raises UserError for anything else.
        """
        frames = self.options.get("frames")
        if frames not in FRAMES:
            raise UserError(f"options: expected frames as {' or '.join(FRAMES)}, found {frames!r}")
        return frames

    @property
    def scale(self) -> int:
        """The option `scale`: how many times as wide and high the engine makes a frame, 2 by default."""
        return int(self.options.get("scale", DEFAULT_SCALE))


@dataclass(frozen=True)
class Sizes:
    """Sizes (height, width) of an engine's frames: the smallest, the one it is tuned for, the largest."""

    smallest: Size
    tuned: Size
    largest: Size

    @property
    def fixed(self) -> bool:
        """Return whether all frames have one size."""
        return self.smallest == self.largest


def frame_sizes(settings: Settings) -> Sizes:
    """The option `sizes`: [height, width] as smallest, tuned and largest; raises UserError without it."""
    given = settings.options.get("sizes")
    keys = ("smallest", "tuned", "largest")
    if not isinstance(given, dict) or set(given) != set(keys):
        raise UserError(f"options: expected sizes with {', '.join(keys)}, found {given!r}")
    return Sizes(**{key: (int(given[key][0]), int(given[key][1])) for key in keys})


def input_shape(size: Size, frames: str) -> tuple[int, int, int, int]:
    """Return the shape of an engine's input: pixels of uint8 frames, planes of float32."""
    return (1, *size, 3) if frames == "uint8" else (1, 3, *size)


def takes(facts: Mapping[str, Any], size: Size) -> bool:
    """Return whether an engine takes frames of a size, by the facts in its record."""
    sizes = facts.get("sizes")
    if sizes is None:
        return True
    bounds = zip(sizes["smallest"], size, sizes["largest"])
    return all(least <= side <= most for least, side, most in bounds)


class LayerTime(NamedTuple):
    """The time of a layer of an engine in one run.

    `kind` is the runtime's own name of its operation. `type` and `shape` are those of its first input.
    `macs` are its multiply-adds: 0 if it isn't a convolution, None if unknown. `nodes` are those of the
    ONNX file, if known.
    """

    run: int
    layer: str
    kind: str
    type: str
    shape: tuple[int, ...]
    macs: int | None
    nodes: tuple[str, ...]
    ms: float


def convolution_macs(weights: Sequence[int], height: int, width: int) -> int:
    """Return a convolution's multiply-adds from its weights' shape and its result's size, for any groups."""
    return math.prod(weights) * height * width


class Session(ABC):
    """An opened engine: uint8 RGB frames H x W x 3 in, uint8 RGB frames sH x sW x 3 out, any H and W.

    s is the scale. `run` has three steps, which allows to time the runtime apart from the conversion of
    frames. The returned frame is valid until the next call. A `reference` computes the right result, however
    long that takes, and isn't timed. A `queued` session gives its work to a device that runs by itself: there
    `execute` is `enqueue`, which returns at once, and `wait`. A session with several frames `in_flight` uses
    `stream`.
    """

    reference: bool = False
    queued: bool = False
    in_flight: int = 1

    @abstractmethod
    def preprocess(self, frame: np.ndarray) -> Any:
        """Convert a frame to the engine's input."""

    @abstractmethod
    def execute(self, inputs: Any) -> Any:
        """Run the engine, and wait until it is done."""

    def enqueue(self, inputs: Any) -> Any:
        """Start the engine's work; without a queue it is done on return."""
        return self.execute(inputs)

    def wait(self, work: Any) -> Any:
        """Wait for the work that `enqueue` returned; returns the result of `execute`."""
        return work

    def device_ms(self) -> float | None:
        """Return the time of the last `execute` by the device's own clock; None without one."""
        return None

    def device_memory_bytes(self) -> int | None:
        """Return the memory that this session takes on a CUDA device, by the runtime's account; else None."""
        return None

    @abstractmethod
    def postprocess(self, outputs: Any) -> np.ndarray:
        """Convert the engine's output to a frame."""

    def run(self, frame: np.ndarray) -> np.ndarray:
        """Upscale one frame."""
        return self.postprocess(self.execute(self.preprocess(frame)))

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Upscale frames in order, up to `in_flight` at a time; each is valid until so many more are done."""
        for frame in frames:
            yield self.run(frame)

    def facts(self) -> dict[str, Any]:
        """Return the record's facts of the session."""
        return {}

    def profile(self, frame: np.ndarray, runs: int) -> list[LayerTime]:
        """Return every layer's time in some runs; raises UnsupportedError if the runtime has no profile."""
        raise UnsupportedError("this runtime doesn't tell the times of its layers")


class Runtime(Protocol):
    """A runtime's module: it can be imported without the runtime's package, and without numpy."""

    ABOUT: About

    def check_precision(self, precision: str) -> None:
        """Raise UnsupportedError or UserError if this machine
        can't run a precision, as far as is known without a model.
        """
        ...

    def build(self, model: Path | None, engine: Path, settings: Settings) -> dict[str, Any]:
        """Write the engine for this machine; returns facts for its record.

        Raises UnsupportedError if this machine can't run the precision, UserError if the model is
        missing or not what the runtime reads.
        """
        ...

    def open_engine(self, engine: Path, settings: Settings) -> Session:
        """Open an engine that `build` wrote on this machine with the same settings."""
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the packages that do the work."""
        ...
