"""Measure the ranges of activations that a calibration gives: from an FP32 graph and images to a small JSON.

A method is a function that reads the observed activations, once or more, and returns a range for each
tensor; `METHODS` names them all.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

from superres.device.errors import UserError
from superres.device.machine import sha256_file
from superres.device.outputs import Outputs
from superres.device.progress import Progress
from superres.quantization.calibration import (
    CalibrationSettings,
    Image,
    count_images,
    describe_data,
    read_images,
)
from superres.quantization.graph import find_convolutions, load_onnx, observed_tensors


@dataclass(frozen=True)
class Activation:
    """One tensor for one image: its values (float32) and their finite extremes."""

    values: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class TensorRange:
    """Smallest and largest value seen, and the symmetric range [-amax, amax] that is quantised."""

    min: float
    max: float
    amax: float


Activations = Mapping[str, Activation]
Observe = Callable[[], Iterator[Activations]]
Method = Callable[[Observe], dict[str, TensorRange]]


def minmax(observe: Observe) -> dict[str, TensorRange]:
    """The extremes over all images; amax = max(|min|, |max|)."""
    extremes: dict[str, tuple[float, float]] = {}
    for activations in observe():
        lows_and_highs = {name: (seen.low, seen.high) for name, seen in activations.items()}
        # The next image is computed while this loop waits: let its activations take these ones' place.
        del activations
        for name, (low, high) in lows_and_highs.items():
            lowest, highest = extremes.get(name, (low, high))
            extremes[name] = (min(lowest, low), max(highest, high))
    return {name: TensorRange(low, high, max(abs(low), abs(high))) for name, (low, high) in extremes.items()}


METHODS: dict[str, Method] = {
    "minmax": minmax,
}


def calibrate_ranges(
    onnx_path: Path, settings: CalibrationSettings, out: Path, *, model: str, threads: int = 0
) -> None:
    """Measure the range of what every convolution reads and writes, and write them as JSON.

    `onnx_path` is an FP32 graph with one image input (float32 1 x 3 x H x W in [0, 1]). The output of a
    convolution is taken after its ReLU. Images stream through one at a time, so memory does not grow with
    their number. `threads` 0 leaves the number to onnxruntime. Raises UserError for an unknown method, an
    empty calibration set, activations that are not finite, and tensors that are constant.
    """
    if settings.method not in METHODS:
        raise UserError(
            f"calibration {settings.name}: expected a method among {', '.join(METHODS)}, "
            f"found {settings.method}"
        )
    graph = load_onnx(onnx_path)
    names = observed_tensors(find_convolutions(graph))
    if not names:
        raise UserError(f"{onnx_path}: expected a graph with convolutions to calibrate, found none")
    total = count_images(settings.data)
    session = _open_observed(graph, names, threads)

    def observe() -> Iterator[Activations]:
        with Progress(f"calibrate {model} {settings.name}", total=total) as progress:
            for image in read_images(settings.data):
                yield _run(session, names, image)
                progress.update()

    ranges = METHODS[settings.method](observe)
    for name, measured in ranges.items():
        _require_spread(name, measured, settings.name)
    record = {
        "model": model,
        "calibration": settings.name,
        "method": settings.method,
        "data": describe_data(settings.data),
        "images": total,
        "onnx_sha256": sha256_file(onnx_path),
        "tensors": {name: asdict(measured) for name, measured in ranges.items()},
    }
    with Outputs({"ranges": str(out)}) as outputs:
        text = json.dumps(record, indent=2, sort_keys=True, allow_nan=False)
        outputs["ranges"].write_text(text + "\n", encoding="utf-8")


def _open_observed(graph: onnx.ModelProto, names: Sequence[str], threads: int) -> ort.InferenceSession:
    """A session that gives every observed tensor as an output."""
    observed = onnx.ModelProto()
    observed.CopyFrom(graph)
    present = {value.name for value in (*observed.graph.input, *observed.graph.output)}
    for name in names:
        if name not in present:
            observed.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(observed.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, names: Sequence[str], image: Image) -> dict[str, Activation]:
    label, tensor = image
    entry = session.get_inputs()[0].name
    computed = [name for name in names if name != entry]
    values = dict(zip(computed, session.run(computed, {entry: tensor}), strict=True))
    values[entry] = tensor
    return {name: _activation(name, np.asarray(values[name]), label) for name in names}


def _activation(name: str, values: np.ndarray, image: str) -> Activation:
    # numpy's min and max hand a NaN on, so both are finite only if every value is.
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(
            f"tensor {name}, image {image}: expected finite activations, found {low} to {high}; "
            "check the weights of the model"
        )
    return Activation(values, low, high)


def _require_spread(name: str, measured: TensorRange, calibration: str) -> None:
    if measured.amax == 0 or measured.min == measured.max:
        raise UserError(
            f"tensor {name}: expected values that vary over calibration {calibration}, "
            f"found {measured.min} everywhere; check its images and the weights of the model"
        )
