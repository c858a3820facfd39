"""Cross-layer equalisation: scale channels so neighbouring convolutions use their levels equally well."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import Convolution, find_convolutions
from superres.quantization.ranges.calibrate import measured_ranges
from superres.quantization.ranges.observation import observe_activations, read_observed
from superres.quantization.ranges.record import Ranges
from superres.quantization.steps.base import (
    State,
    StepJob,
    copy_graph,
    read_initializers,
    replace_initializers,
)
from superres.quantization.steps.bias import bias_name

_SWEEPS = 40
_ENOUGH = 1e-3


def apply(state: State, job: StepJob) -> State:
    """Multiply channel i between two convolutions by 1 / s_i, and divide by it again after the ReLU.

    s_i = sqrt(r_i / q_i), with r_i the largest magnitude of the first convolution's weights for channel i and
    q_i that of the second's: both become sqrt(r_i q_i) (M. Nagel and others, arXiv:1906.04721, equations 9
    and 11). This repeats until no scale moves by more than 0.1 %. In float only rounding changes: a ReLU
    passes positive factors. The ranges are measured again, by the calibration's method on its images. Raises
    UserError if no two convolutions follow each other, and after any other step.
    """
    if state.ranges.steps:
        raise UserError(
            "step equalize: expected it right after the calibration, which it repeats, "
            f"found {state.ranges.steps[-1]['step']} before it"
        )
    pairs = list(_pairs(state.graph))
    if not pairs:
        raise UserError("step equalize: expected two convolutions with a ReLU between them, found none")
    graph = copy_graph(state.graph)
    values = {name: value.astype(np.float64) for name, value in read_initializers(graph).items()}
    factors = {first.layer: np.ones(values[first.weights].shape[0]) for first, _ in pairs}
    for _ in range(_SWEEPS):
        moved = 0.0
        for first, second in pairs:
            scales = _scales(values[first.weights], values[second.weights])
            values[first.weights] /= scales[:, None, None, None]
            values[bias_name(graph, first)] /= scales
            values[second.weights] *= scales[None, :, None, None]
            factors[first.layer] *= scales
            moved = max(moved, float(np.abs(np.log(scales)).max()))
        if moved < _ENOUGH:
            break
    names = {name for first, second in pairs for name in (first.weights, second.weights)}
    names |= {bias_name(graph, first) for first, _ in pairs}
    replace_initializers(graph, {name: values[name] for name in names})
    spread = {layer: [float(scales.min()), float(scales.max())] for layer, scales in factors.items()}
    ranges = _measure_again(graph, job)
    kept = replace(state.ranges, tensors=ranges.tensors, origin={**state.ranges.origin, **ranges.origin})
    return State(graph, kept, {"scales": spread})


def _pairs(graph: onnx.ModelProto) -> Iterator[tuple[Convolution, Convolution]]:
    """Yield convolutions that follow each other: the second alone reads the ReLU of the first."""
    convolutions = find_convolutions(graph)
    readers: dict[str, int] = defaultdict(int)
    for node in graph.graph.node:
        for name in node.input:
            readers[name] += 1
    for first in convolutions:
        for second in convolutions:
            if second.data == first.output != first.result and readers[first.output] == 1:
                yield first, second


def _scales(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return s_i for weights O x I x kh x kw and P x O x kh x kw; 1 if a channel is all zeros on one side."""
    before = np.abs(first).max(axis=(1, 2, 3))
    after = np.abs(second).max(axis=(0, 2, 3))
    used = (before > 0) & (after > 0)
    return np.sqrt(np.divide(before, after, out=np.ones_like(before), where=used))


def _measure_again(graph: onnx.ModelProto, job: StepJob) -> Ranges:
    with TemporaryDirectory(prefix="superres-") as folder:
        path, observed = Path(folder, "equalized.onnx"), Path(folder, "observed.npz")
        path.write_bytes(graph.SerializeToString(deterministic=True))
        observe_activations(
            path, job.images("equalize"), observed, model=f"{job.model} equalized", threads=job.threads
        )
        return measured_ranges(read_observed(observed, job.calibration.images), job.calibration)
