"""What all steps share: the state that goes in and comes out, and what a step is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import numpy_helper

from superres.device.base.errors import UserError
from superres.keys import Keys
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.record import Ranges
from superres.quantization.settings import CalibrationSettings


@dataclass(frozen=True)
class State:
    """An FP32 graph, and how it is to be quantised; `facts` is what the last step has to say, for the record."""

    graph: onnx.ModelProto
    ranges: Ranges
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepJob:
    """What a step is told: model, calibration, images (None for a calibration without), its own settings, threads.

    `measured` is the file of what was measured of the state that the step starts from, for steps that follow one.
    """

    model: str
    calibration: CalibrationSettings
    data: RandomImages | FrameFile | None
    settings: Any = field(default_factory=Keys)
    threads: int = 1
    measured: Path | None = None

    def measurement(self, step: str) -> Path:
        """The file of what was measured; raises UserError without one."""
        if self.measured is None:
            raise UserError(f"step {step}: expected a file of what was measured before it, found none")
        return self.measured

    def images(self, step: str) -> RandomImages | FrameFile:
        """The images; raises UserError without any."""
        if self.data is None:
            raise UserError(
                f"step {step}: expected a calibration with images, found {self.calibration.name}, "
                f"whose method {self.calibration.method} has none"
            )
        return self.data


class Step(Protocol):
    """A module of this package."""

    def apply(self, state: State, job: StepJob) -> State:
        """A new state; the one that it is given stays as it is."""
        ...


def copy_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that may be changed."""
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    return copied


def read_initializers(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Every initializer of a graph by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def replace_initializers(graph: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> None:
    """Put other values, of the same shape and type, in the place of some initializers."""
    for tensor in graph.graph.initializer:
        if tensor.name in values:
            old = numpy_helper.to_array(tensor)
            new = np.asarray(values[tensor.name], old.dtype)
            if new.shape != old.shape:
                raise ValueError(f"{tensor.name}: expected the shape {old.shape}, found {new.shape}")
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
