"""What every runtime says of itself and offers, so that jobs need not know which one they drive."""

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

from superres.device.base.errors import UnsupportedError, UserError

if TYPE_CHECKING:
    import numpy as np

Size = Tuple[int, int]

FRAMES = ("uint8", "float32")

INPUT, OUTPUT = "frame", "upscaled"
"""Names of what every graph takes and gives."""

WARMUP_RUNS = 3
"""Runs before layers are timed."""

AS_WRITTEN = "qdq"
"""Precision of a graph with any Q/DQ pairs or none: of
its convolutions, none has to run in INT8 nor in float.

With the option `simulated` its pairs must not be made into
INT8 arithmetic where that would change what it computes.
"""

IMPLICIT = "int8-trt-"
"""How precisions begin whose ranges TensorRT finds itself."""


@dataclass(frozen=True)
class About:
    """What is known of a runtime without its package: how it is called and drawn, what it reads and can't do.

    `package` is the Python package that is imported before an engine is built or
    opened; None where the runtime has none, or imports it with care. The version
    of the first of `distributions` that is installed belongs to an engine.

    `precisions` are of the kinds fp32, fp16, bf16, int8, int8-trt and uint8. `refusals` say of other kinds
    why not and what to do, `step_refusals` of steps of a quantisation; in both, `{runtime}`, `{precision}`
    and `{qdq}` (the same precision as a Q/DQ graph) are filled in (see `runtimes.refusal`).

    `source` is what engines are built from: `onnx`, `program` (PyTorch's) or `none`.
    `fp16_file`: fp16 is written into the ONNX file. `sized`: engines are built for
    frame sizes. `device_bound`: they belong to one model of device. `frames` is what
    they can take. `build_options` are the names of what their builder can be told.
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
    """How an engine is built and run: precision name, number of threads, options of one runtime.

    `facts` are what `build` returned, when the engine is opened.
    """

    precision: str
    threads: int
    options: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frames(self) -> str:
        """The option `frames`: what the engine itself takes and gives.

        `uint8`: frames, their conversion is part of the engine. `float32`: planes, the session converts.
        Raises UserError for anything else.
        """
        frames = self.options.get("frames")
        if frames not in FRAMES:
            raise UserError(f"options: expected frames as {' or '.join(FRAMES)}, found {frames!r}")
        return frames


@dataclass(frozen=True)
class Sizes:
    """Frame sizes (height, width) that an engine takes: the smallest, the one it is tuned for, the largest."""

    smallest: Size
    tuned: Size
    largest: Size

    @property
    def fixed(self) -> bool:
        """Whether all frames have one size."""
        return self.smallest == self.largest


def frame_sizes(settings: Settings) -> Sizes:
    """The option `sizes`: [height, width] as smallest, tuned and largest; raises UserError without it."""
    given = settings.options.get("sizes")
    keys = ("smallest", "tuned", "largest")
    if not isinstance(given, dict) or set(given) != set(keys):
        raise UserError(f"options: expected sizes with {', '.join(keys)}, found {given!r}")
    return Sizes(**{key: (int(given[key][0]), int(given[key][1])) for key in keys})


def input_shape(size: Size, frames: str) -> tuple[int, int, int, int]:
    """Shape of what an engine takes: pixels of uint8 frames, planes of float32."""
    return (1, *size, 3) if frames == "uint8" else (1, 3, *size)


def takes(facts: Mapping[str, Any], size: Size) -> bool:
    """Whether an engine takes frames of a size, by the facts in its record."""
    sizes = facts.get("sizes")
    if sizes is None:
        return True
    bounds = zip(sizes["smallest"], size, sizes["largest"])
    return all(least <= side <= most for least, side, most in bounds)


class LayerTime(NamedTuple):
    """How long a layer of an engine took in one run.

    `kind` is the runtime's own word for what it does. `type` and `shape` are those of the data that it reads
    first. `macs` are its multiply-adds: 0 if it isn't a convolution, None where the runtime doesn't tell.
    `nodes` are those of the ONNX file, where it does.
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
    """Multiply-adds of a convolution with weights of some shape
    and so many positions of its result, whatever the groups.
    """
    return math.prod(weights) * height * width


class Session(ABC):
    """An opened engine: uint8 RGB frames H x W x 3 in, uint8 RGB frames 2H x 2W x 3 out, any H and W.

    `run` is made of three steps, so that what the runtime computes can be timed apart from bringing frames
    into and out of its form. The frame that comes out is valid until the next call. A `reference` says what
    the right result is, however long that takes: it isn't timed. A `queued` session hands its work to a
    device that goes on by itself: there `execute` is `enqueue`, which returns at once, and `wait`. A session
    with more than one frame `in_flight` is made for `stream`.
    """

    reference: bool = False
    queued: bool = False
    in_flight: int = 1

    @abstractmethod
    def preprocess(self, frame: np.ndarray) -> Any:
        """Bring a frame into the form that the engine takes."""

    @abstractmethod
    def execute(self, inputs: Any) -> Any:
        """Run the engine, and wait until it is done."""

    def enqueue(self, inputs: Any) -> Any:
        """Hand the engine its work; without a queue it is done on return."""
        return self.execute(inputs)

    def wait(self, work: Any) -> Any:
        """Wait until what `enqueue` gave is done; returns what `execute` does."""
        return work

    def device_ms(self) -> float | None:
        """What the last `execute` took by the device's own clock; None where it has none."""
        return None

    def device_memory_bytes(self) -> int | None:
        """The most memory of the device that this session held; None where it computes in this machine's own."""
        return None

    @abstractmethod
    def postprocess(self, outputs: Any) -> np.ndarray:
        """Bring what the engine computed into a frame."""

    def run(self, frame: np.ndarray) -> np.ndarray:
        """Upscale one frame by two."""
        return self.postprocess(self.execute(self.preprocess(frame)))

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Upscale frames in their order, up to `in_flight` at
        a time; each is valid until so many more have come.
        """
        for frame in frames:
            yield self.run(frame)

    def facts(self) -> dict[str, Any]:
        """What a record should say of how frames were run, besides the settings."""
        return {}

    def profile(self, frame: np.ndarray, runs: int) -> list[LayerTime]:
        """Time of every layer in some runs; raises UnsupportedError where the runtime doesn't tell."""
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
