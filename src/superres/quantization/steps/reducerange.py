"""Weights in fewer levels, for processors that add two INT8 products in 16 bits."""

from dataclasses import replace

from superres.models.graphs.overflow import MOST
from superres.quantization.state import State, StepJob

LEVELS = MOST // 2
"""The largest level of a weight, 64: two products of it and 255 fit into 16 bits."""


def apply(state: State, job: StepJob) -> State:
    """Quantise weights to -64 .. 64 instead of -127 .. 127.

    x86 processors without VNNI multiply uint8 data by int8 weights in pairs and add each pair in 16 bits,
    limited to 32767 (`vpmaddubsw`): two products of 255 and 127 overflow. onnxruntime calls the remedy
    `reduce_range`, NNCF `overflow_fix`.
    """
    return State(state.graph, replace(state.ranges, weight_levels=LEVELS))
