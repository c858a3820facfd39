"""int8 that holds a frame exactly: 256 levels around its middle instead of 127 above 0.

Symmetric int8 has 127 steps for [0, 1], a frame has 255: half of them are lost, though int8 has 256 levels.
This step subtracts 128 steps from the input of the first convolution and adds them again in its bias:
conv(x) = conv(x - c) + c * (sum of the weights of each output channel). If the convolution pads with zeros,
a node of its own pads the shifted data with -c. In float only rounding changes. In INT8 the errors of rounded
weights no longer grow with brightness: the bias is computed from the float weights.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.device.base.conventions import INT8_MAX, UINT8_MAX
from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import Convolution, find_convolutions
from superres.quantization.ranges.record import TensorRange
from superres.quantization.state import (
    State,
    StepJob,
    copy_graph,
    read_initializers,
    replace_initializers,
    writer,
)

_PREFIX = "center"
_BELOW = 128
"""Levels of int8 below 0."""


def apply(state: State, job: StepJob) -> State:
    """Center the data of the first convolution: its range [0, high] gets all levels from -128 to 127.

    A step is high / 255: for [0, 1] these are the levels of a frame. `high` is the largest measured value,
    even if the calibration chose less, which was for 127 levels. Raises UserError without a measurement, if
    the first convolution isn't quantised, or if it reads negative values.
    """
    first = find_convolutions(state.graph)[0]
    seen = state.ranges.tensors[first.data]
    if seen.max is None or seen.min is None or seen.min < 0:
        raise UserError(
            f"step center: expected values from 0 up as tensor {first.data}, found "
            f"{'nothing measured' if seen.min is None else f'a smallest value of {seen.min}'}; "
            "take another calibration, or this step out"
        )
    step = seen.max / UINT8_MAX
    middle = np.float32(_BELOW * step)
    graph = copy_graph(state.graph)
    name = _shift_data(graph, first, middle)
    tensors = {key: value for key, value in state.ranges.tensors.items() if key != first.data}
    ends = (-float(middle), (UINT8_MAX - _BELOW) * step)
    tensors[name] = TensorRange(*ends, INT8_MAX * step)
    return State(graph, replace(state.ranges, tensors=tensors), {"middle": float(middle)})


def _shift_data(graph: onnx.ModelProto, convolution: Convolution, middle: np.float32) -> str:
    """Make a convolution read its data minus `middle`, padded with -middle; return the tensor's name."""
    node = writer(graph, convolution.result)
    values = read_initializers(graph)
    if len(node.input) != 3 or not {*node.input[1:]} <= values.keys():
        raise UserError(
            f"step center: expected constant weights and a bias in the convolution {node.name}, found others"
        )
    weights, bias = (values[name].astype(np.float64) for name in node.input[1:])
    replace_initializers(graph, {node.input[2]: bias + float(middle) * weights.sum(axis=(1, 2, 3))})
    constants: Mapping[str, np.ndarray] = {"middle": np.asarray(middle), "border": np.asarray(-middle)}
    result, inserted = f"{_PREFIX}/{convolution.data}", []
    pads = _take_pads(node)
    shifted = f"{result}/shifted" if any(pads) else result
    inserted.append(helper.make_node("Sub", [convolution.data, f"{_PREFIX}/middle"], [shifted], name=shifted))
    if any(pads):
        top, left, bottom, right = pads
        widths = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
        constants = {**constants, "pads": widths}
        entries = [shifted, f"{_PREFIX}/pads", f"{_PREFIX}/border"]
        inserted.append(helper.make_node("Pad", entries, [result], name=result))
    used = {name for entry in inserted for name in entry.input}
    for key, value in constants.items():
        if f"{_PREFIX}/{key}" in used:
            graph.graph.initializer.append(numpy_helper.from_array(value, f"{_PREFIX}/{key}"))
    node.input[0] = result
    position = list(graph.graph.node).index(node)
    nodes = [*graph.graph.node[:position], *inserted, *graph.graph.node[position:]]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return result


def _take_pads(node: onnx.NodeProto) -> list[int]:
    """Remove a convolution's padding; return it: top, left, bottom, right."""
    for attribute in node.attribute:
        if attribute.name == "pads":
            pads = list(attribute.ints)
            attribute.CopyFrom(helper.make_attribute("pads", [0, 0, 0, 0]))
            return pads
    return [0, 0, 0, 0]
