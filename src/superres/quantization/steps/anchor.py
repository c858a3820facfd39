"""INT8 for the anchor: the interpolation of the frame that a network's output is added to.

In float, the anchor and its sum move more memory than the network's convolutions. Nothing about it has to be
rounded but its weights: a uint8 frame is its own INT8 data. Weights are whole steps of 1/D, where D is the
largest number that keeps them within 127, and those of each colour still sum to 1, so that flat areas are
exact (rounding by largest remainders). Bicubic x2 gets D = 168. The step reducerange limits them no further:
no two neighbours of a frame's colours have weights for one output, so that no sum of two products overflows.

The network's output is rounded before the sum: to half levels, at most 64 levels to each side. That adds a
mean squared error of 1/48 of a level. Runtimes then compute sum, limits and rounding in the anchor's
convolution.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx

from superres.device.base.conventions import INPUT, INT8_MAX, UINT8_MAX
from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import KEPT_FLOAT_PROPERTY, find_layers, kept_float
from superres.quantization.ranges.record import TensorRange
from superres.quantization.state import (
    State,
    StepJob,
    copy_graph,
    read_initializers,
    replace_initializers,
    writer,
)

_STEPS_A_LEVEL = 2
_FLAT = 1e-6
"""How far sums of an interpolation's weights may be from 1 or 0, in float32."""


@dataclass(frozen=True)
class _Anchor:
    """An interpolation of the frame: its data, weights and result, and the tensor that it is added to."""

    data: str
    weights: str
    result: str
    added: str


def apply(state: State, job: StepJob) -> State:
    """Quantise the anchor, if there is one, and the output of the network that is added to it.

    A network without an anchor stays as it is. So does one whose anchor also converts colours: its sums can't
    be kept. Raises UserError without asymmetric activations: frames are uint8.
    """
    if state.ranges.activation != "asymmetric":
        raise UserError(
            "step anchor: expected the step asymmetric before it, since frames are uint8; write it before "
            "anchor"
        )
    anchors = _find_anchors(state.graph)
    if not anchors:
        return State(state.graph, state.ranges, {"anchors": 0})
    graph, tensors = copy_graph(state.graph), dict(state.ranges.tensors)
    weights, amax, sums = {}, dict(state.ranges.weight_amax), dict(state.ranges.sums)
    values = read_initializers(graph)
    for anchor in anchors:
        levels, steps = round_interpolation(values[anchor.weights])
        weights[anchor.weights] = levels / steps
        amax[anchor.weights] = [state.ranges.weight_levels / steps] * len(levels)
        reach = float(np.abs(weights[anchor.weights]).sum(axis=(1, 2, 3)).max())
        tensors[anchor.data] = TensorRange(0.0, 1.0, 1.0)
        tensors[anchor.result] = TensorRange(1 - reach, reach, reach)
        half = 1 / (_STEPS_A_LEVEL * UINT8_MAX)
        sums[anchor.added] = TensorRange(-128 * half, 127 * half, 128 * half)
    replace_initializers(graph, weights)
    _quantize(graph, [anchor.result for anchor in anchors])
    ranges = replace(state.ranges, tensors=tensors, weight_amax=amax, sums=sums)
    return State(graph, ranges, {"anchors": len(anchors)})


def round_interpolation(weights: np.ndarray, most: int = INT8_MAX) -> tuple[np.ndarray, int]:
    """Round weights O x I x kh x kw whose sums for each output and input are 0 or 1.

    Returns whole numbers of at most `most` with the sums 0 or D, and D: weights are about those over D. The
    fractions that are lost go to the entries with the largest remainders (Hamilton's method).
    """
    values = weights.astype(np.float64)
    steps = int(most / np.abs(values).max())
    scaled = values.reshape(weights.shape[0] * weights.shape[1], -1) * steps
    levels = np.floor(scaled)
    for each, whole in zip(scaled, levels, strict=True):
        missing = round(each.sum()) - int(whole.sum())
        whole[np.argsort(whole - each, kind="stable")[:missing]] += 1
    return levels.reshape(weights.shape), steps


def _find_anchors(graph: onnx.ModelProto) -> list[_Anchor]:
    """Return the convolutions in float that interpolate the frame and are added to a layer's result."""
    values, results = read_initializers(graph), {layer.output for layer in find_layers(graph)}
    found = []
    for result in kept_float(graph):
        node = writer(graph, result)
        added = _added_to(graph, result)
        weights = values.get(node.input[1])
        fits = len(node.input) == 2 and weights is not None and _is_interpolation(weights)
        if fits and _reads_frame(graph, node) and added in results:
            found.append(_Anchor(node.input[0], node.input[1], result, added))
    return found


def _reads_frame(graph: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Return whether a convolution's data are pixels of the frame: also those of its repeated border."""
    if node.input[0] == INPUT:
        return True
    before = next((other for other in graph.graph.node if node.input[0] in other.output), None)
    return before is not None and before.op_type == "Pad" and before.input[0] == INPUT


def _added_to(graph: onnx.ModelProto, result: str) -> str:
    """Return the other tensor of the sum that alone reads a tensor; empty if something else does."""
    readers = [node for node in graph.graph.node if result in node.input]
    if len(readers) != 1 or readers[0].op_type != "Add":
        return ""
    return next((name for name in readers[0].input if name != result), "")


def _is_interpolation(weights: np.ndarray) -> bool:
    """Return whether each output is a weighted mean of one input channel."""
    sums = weights.astype(np.float64).sum(axis=(2, 3))
    ones = np.abs(sums - 1) < _FLAT * weights[0, 0].size
    zeros = np.abs(sums) < _FLAT * weights[0, 0].size
    return bool((ones | zeros).all() and (ones.sum(axis=1) == 1).all())


def _quantize(graph: onnx.ModelProto, results: Sequence[str]) -> None:
    """Take convolutions off the list of those that stay in float."""
    kept = [result for result in kept_float(graph) if result not in results]
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    properties[KEPT_FLOAT_PROPERTY] = json.dumps(kept)
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, properties)
