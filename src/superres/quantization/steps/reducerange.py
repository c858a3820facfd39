"""Weights in 7 bits, for processors that add two INT8 products in 16 bits."""

from dataclasses import replace

import numpy as np

from superres.device.base.conventions import INT8_MAX, UINT8_MAX
from superres.device.base.errors import UserError
from superres.quantization.grids import weight_grid
from superres.quantization.qdq import quantized_convolutions
from superres.quantization.state import State, StepJob, read_initializers

LEVELS = np.iinfo(np.int16).max // (2 * UINT8_MAX) - 1
"""The largest level of a weight: 63. Rounding may go one further: 2 x 64 x 255 still fits 16 bits."""


def apply(state: State, job: StepJob) -> State:
    """Quantise the weights of each convolution to -63 .. 63 instead of -127 .. 127.

    x86 processors without VNNI multiply uint8 data by int8 weights in pairs and add each pair in 16 bits,
    limited to 32767 (`vpmaddubsw`): two products of 255 and 127 overflow. onnxruntime calls the remedy
    `reduce_range`, NNCF `overflow_fix`. Raises UserError after a step that has chosen scales of weights.
    """
    if state.ranges.weight_amax:
        raise UserError(
            "step reducerange: expected it before any step that chooses scales of weights, "
            f"found {'+'.join(step['step'] for step in state.ranges.steps)} before it"
        )
    values = read_initializers(state.graph)
    amax = {}
    for convolution in quantized_convolutions(state.graph, state.ranges):
        grid = weight_grid(values[convolution.weights], state.ranges, convolution.weights)
        magnitudes = np.atleast_1d(grid.scale).astype(np.float64) * INT8_MAX
        amax[convolution.weights] = (magnitudes * INT8_MAX / LEVELS).tolist()
    return State(state.graph, replace(state.ranges, weight_amax=amax))
