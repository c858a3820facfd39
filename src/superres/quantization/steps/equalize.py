"""Cross-layer equalisation: scale channels so neighbouring convolutions use their levels equally well."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import HOMOGENEOUS, Convolution, find_convolutions
from superres.quantization.ranges.calibrate import measured_ranges
from superres.quantization.ranges.histogram import Statistics
from superres.quantization.ranges.observation import observe_activations, read_observed
from superres.quantization.ranges.record import Ranges, TensorRange
from superres.quantization.state import (
    State,
    StepJob,
    copy_graph,
    read_initializers,
    replace_initializers,
    with_biases,
)
from superres.quantization.steps.bias import bias_name

_SWEEPS = 40
_ENOUGH = 1e-3


def apply(state: State, job: StepJob) -> State:
    """Multiply channel i between two convolutions by 1 / s_i, and divide by it again after the ReLU.

    s_i = sqrt(r_i / q_i), with r_i the largest magnitude of the first convolution's weights for channel i and
    q_i that of the second's: both become sqrt(r_i q_i) (M. Nagel and others, arXiv:1906.04721, equations 9
    and 11). This repeats until no scale moves by more than 0.1 %. In float only rounding changes: a ReLU
    passes positive factors. The ranges are found again: see `scaled_state`. Where no two convolutions follow
    each other, nothing changes. Raises UserError after any other step.
    """
    seen = read_extremes(state, job, "equalize")
    state = replace(state, graph=with_biases(state.graph))
    pairs = list(consecutive_pairs(state.graph))
    weights = {name: value.astype(np.float64) for name, value in read_initializers(state.graph).items()}
    factors = {first.layer: np.ones(weights[first.weights].shape[0]) for first, _ in pairs}
    for _ in range(_SWEEPS):
        moved = 0.0
        for first, second in pairs:
            scales = _scales(weights[first.weights], weights[second.weights])
            weights[first.weights] /= scales[:, None, None, None]
            weights[second.weights] *= scales[None, :, None, None]
            factors[first.layer] *= scales
            moved = max(moved, float(np.abs(np.log(scales)).max()))
        if moved < _ENOUGH:
            break
    return scaled_state(state, job, "equalize", factors, seen)


def read_extremes(state: State, job: StepJob, step: str) -> Mapping[str, Statistics]:
    """Return what the calibration saw of each tensor.

    Raises UserError without images, and after another step: it would have changed the channels.
    """
    if state.ranges.steps:
        raise UserError(
            f"step {step}: expected it right after the calibration, which it repeats, "
            f"found {state.ranges.steps[-1]['step']} before it"
        )
    job.images(step)
    return read_observed(job.measurement(step), job.calibration.images).tensors


def scaled_state(
    state: State,
    job: StepJob,
    step: str,
    factors: Mapping[str, np.ndarray],
    seen: Mapping[str, Statistics],
) -> State:
    """Return the state with the channels between two convolutions divided by some factors, by layer.

    Extremes scale as the channels do, so those of the calibration say the new ranges of min-max. Any other
    method measures them again, on its images.
    """
    graph = copy_graph(state.graph)
    tensors = dict(state.ranges.tensors)
    for first, second in consecutive_pairs(state.graph):
        by = factors[first.layer]
        _scale_channels(graph, first, second, by)
        # Before a PReLU there is a pair of its own.
        for name in {first.output, first.result} & tensors.keys():
            lows, highs = seen[name].lows / by, seen[name].highs / by
            low, high = float(lows.min()), float(highs.max())
            tensors[name] = TensorRange(low, high, max(-low, high))
    origin = state.ranges.origin
    if job.calibration.method != "minmax":
        measured = _measure_again(graph, job, step)
        tensors, origin = measured.tensors, {**origin, **measured.origin}
    spread = {layer: [float(by.min()), float(by.max())] for layer, by in factors.items()}
    return State(graph, replace(state.ranges, tensors=tensors, origin=origin), {"scales": spread})


def _scale_channels(graph: onnx.ModelProto, first: Convolution, second: Convolution, by: np.ndarray) -> None:
    """Divide the channels between two convolutions by some factors, and multiply by them in the second."""
    values = read_initializers(graph)
    bias = bias_name(graph, first)
    after = values[second.weights].astype(np.float64) * by[None, :, None, None]
    replace_initializers(
        graph,
        {
            first.weights: values[first.weights].astype(np.float64) / by[:, None, None, None],
            bias: values[bias].astype(np.float64) / by,
            second.weights: after,
        },
    )


def consecutive_pairs(graph: onnx.ModelProto) -> Iterator[tuple[Convolution, Convolution]]:
    """Yield convolutions that follow each other: the second alone reads the ReLU of the first.

    The second reads all channels at once: it has no groups.
    """
    convolutions, weights = find_convolutions(graph), read_initializers(graph)
    readers: dict[str, int] = defaultdict(int)
    for node in graph.graph.node:
        for name in node.input:
            readers[name] += 1
    for first in convolutions:
        for second in convolutions:
            follows = second.data == first.output and first.activation in HOMOGENEOUS
            if not follows or readers[first.output] != 1:
                continue
            if weights[second.weights].shape[1] == weights[first.weights].shape[0]:
                yield first, second


def _scales(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return s_i for weights O x I x kh x kw and P x O x kh x kw; 1 if a channel is all zeros on one side."""
    before = np.abs(first).max(axis=(1, 2, 3))
    after = np.abs(second).max(axis=(0, 2, 3))
    used = (before > 0) & (after > 0)
    return np.sqrt(np.divide(before, after, out=np.ones_like(before), where=used))


def _measure_again(graph: onnx.ModelProto, job: StepJob, step: str) -> Ranges:
    """Return the ranges of a changed graph by the calibration's method on its images."""
    with TemporaryDirectory(prefix="superres-") as folder:
        path, observed = Path(folder, "changed.onnx"), Path(folder, "observed.npz")
        path.write_bytes(graph.SerializeToString(deterministic=True))
        images = job.images(step)
        observe_activations(path, images, observed, model=f"{job.model} {step}", threads=job.threads)
        return measured_ranges(read_observed(observed, job.calibration.images), job.calibration)
