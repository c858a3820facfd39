"""Run a step of a recipe: its input and output, its job, and helpers that steps share."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self, cast

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file
from superres.keys import Keys
from superres.models.graphs.onnx_file import find_convolutions, load_onnx, only_outputs
from superres.quantization.ranges.calibration import FrameFile, RandomImages, images_of
from superres.quantization.ranges.record import Ranges, check_ranges, ranges_text, read_ranges
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration, CalibrationSettings, RandomData


@dataclass(frozen=True)
class State:
    """An FP32 graph, and how to quantise it; `facts` are those of the last step, for the record."""

    graph: onnx.ModelProto
    ranges: Ranges
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepJob:
    """The job of a step: model, calibration, its images if any, the step's settings, threads.

    `measured` is the file of the measurement that the step needs, of the state before it; None for most.
    """

    model: str
    calibration: CalibrationSettings
    data: RandomImages | FrameFile | None
    settings: Any = field(default_factory=Keys)
    threads: int = 1
    measured: Path | None = None

    @classmethod
    def of(
        cls,
        model: str,
        step: str,
        *,
        calibration: Mapping[str, Any],
        settings: Mapping[str, Any],
        frames: Path | None,
        measured: Path | None,
        threads: int,
    ) -> Self:
        """Return the job of a step, with calibration and settings from their `model_dump`.

        `frames` is the frame file of the calibration set, None for random data and steps without images.
        """
        chosen = Calibration(**calibration)
        random = isinstance(chosen.data, RandomData)
        images = images_of(chosen.data, frames) if chosen.data is not None and (random or frames) else None
        return cls(model, chosen, images, STEPS[step].settings(**settings), threads, measured)

    def measurement(self, step: str) -> Path:
        """Return the file of the measurement; raises UserError without one."""
        if self.measured is None:
            raise UserError(f"step {step}: expected a file of what was measured before it, found none")
        return self.measured

    def images(self, step: str) -> RandomImages | FrameFile:
        """Return the images; raises UserError without any."""
        if self.data is None:
            raise UserError(
                f"step {step}: expected a calibration with images, found {self.calibration.name}, "
                f"whose method {self.calibration.method} has none"
            )
        return self.data


class Step(Protocol):
    """A module of this package."""

    def apply(self, state: State, job: StepJob) -> State:
        """Return a new state; the given one doesn't change."""
        ...


def refine_onnx(
    onnx_path: Path, ranges_path: Path, step: str, job: StepJob, *, onnx_out: Path, ranges_out: Path
) -> None:
    """Run a step, a module of `superres.quantization.steps`, and write the new graph and ranges.

    Both outputs appear together, and the new record names the step. The same inputs give the same bytes.
    Raises UserError if graph and ranges don't belong together, and if the step isn't possible.
    """
    module = cast(Step, importlib.import_module(f"superres.quantization.steps.{step}"))
    state = module.apply(State(load_onnx(onnx_path), read_ranges(ranges_path, onnx_path)), job)
    onnx.checker.check_model(state.graph, full_check=True)
    check_ranges(state.ranges, state.graph, ranges_out)
    taken = {"step": step, "settings": job.settings.model_dump(), **state.facts}
    ranges = replace(state.ranges, steps=(*state.ranges.steps, taken))
    with Outputs({"onnx": str(onnx_out), "ranges": str(ranges_out)}) as outputs:
        outputs["onnx"].write_bytes(state.graph.SerializeToString(deterministic=True))
        digest = sha256_file(outputs["onnx"])
        outputs["ranges"].write_text(ranges_text(ranges, digest), encoding="utf-8")


def copy_graph(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy."""
    copied = onnx.ModelProto()
    copied.CopyFrom(graph)
    return copied


def writer(graph: onnx.ModelProto, name: str) -> onnx.NodeProto:
    """Return the node that writes a tensor."""
    return next(node for node in graph.graph.node if name in node.output)


def read_initializers(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return every initializer of a graph by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def replace_initializers(graph: onnx.ModelProto, values: Mapping[str, np.ndarray]) -> None:
    """Replace the values of some initializers by others of the same shape."""
    for tensor in graph.graph.initializer:
        if tensor.name in values:
            old = numpy_helper.to_array(tensor)
            new = np.asarray(values[tensor.name], old.dtype)
            if new.shape != old.shape:
                raise ValueError(f"{tensor.name}: expected the shape {old.shape}, found {new.shape}")
            tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))


def with_biases(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which each convolution that INT8 may have has a bias: zeros where there was none."""
    copied = copy_graph(graph)
    values = read_initializers(copied)
    for convolution in find_convolutions(copied):
        node = writer(copied, convolution.result)
        if len(node.input) == 2 and convolution.weights in values:
            name = f"{convolution.result}_zero_bias"
            zeros = np.zeros(len(values[convolution.weights]), values[convolution.weights].dtype)
            copied.graph.initializer.append(numpy_helper.from_array(zeros, name))
            node.input.append(name)
    return copied


class Taps:
    """A graph with one image input, run by ONNX Runtime on the CPU for some of its tensors.

    Nothing is fused or reordered: tensors have the values of the graph as written, and only nodes that they
    need run. `threads` 0 takes all CPUs; the last bits of sums may depend on the number of threads.
    """

    def __init__(self, graph: onnx.ModelProto, names: Sequence[str], threads: int = 0):
        self._input = graph.graph.input[0].name
        self._names = list(names)
        self._computed = [name for name in self._names if name != self._input]
        if not self._computed:
            return
        tapped = only_outputs(graph, self._computed)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = ort.InferenceSession(
            tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the tapped tensors for an image 1 x 3 x H x W, float32, by name."""
        values = self._session.run(self._computed, {self._input: image}) if self._computed else []
        tapped = {name: np.asarray(value) for name, value in zip(self._computed, values, strict=True)}
        return tapped | ({self._input: image} if self._input in self._names else {})
