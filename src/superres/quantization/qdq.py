"""Insert QuantizeLinear and DequantizeLinear around the convolutions of an FP32 graph.

The form suits TensorRT from 8.5 on and the other runtimes: symmetric int8 with zero-point 0, FP32 scales,
weights as FP32 initializer -> QuantizeLinear -> DequantizeLinear along their output channels, biases in
float. Asymmetric activations are uint8, which TensorRT doesn't take.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.device.base.conventions import INT8_MAX, UINT8_MAX
from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import Convolution, find_convolutions, load_onnx, save_onnx
from superres.quantization.ranges.record import Ranges, TensorRange, read_ranges

Part = Literal["activations", "weights"]
"""The parts of a convolution that can be quantised: its data and its weights."""

BOTH: frozenset[Part] = frozenset(("activations", "weights"))


@dataclass(frozen=True)
class Grid:
    """A value x is stored as clip(round(x / scale) + zero_point): int8 or uint8 by the zero-point's type.

    `scale` is float32. With one value per output channel, scale and zero-point are vectors.
    """

    scale: np.ndarray
    zero_point: np.ndarray


def quantize_onnx(
    onnx_path: Path,
    ranges_path: Path,
    out: Path,
    *,
    float_layers: Collection[str] = (),
    pair_before_relu: bool = True,
) -> None:
    """Write the Q/DQ graph of an FP32 ONNX file and its ranges; see `quantize_graph`.

    Layers in `float_layers` stay in float, and those that the ranges name. The same inputs give the same
    bytes. Raises UserError for ranges of another graph, and for an unknown layer.
    """
    ranges, graph = read_ranges(ranges_path, onnx_path), load_onnx(onnx_path)
    kept = (*ranges.float_convolutions, *_results_of(graph, float_layers, onnx_path))
    ranges = replace(ranges, float_convolutions=kept)
    quantized = quantize_graph(graph, ranges, onnx_path, pair_before_relu=pair_before_relu)
    save_onnx(quantized, out)


def quantize_graph(
    graph: onnx.ModelProto,
    ranges: Ranges,
    path: Path,
    *,
    parts: Mapping[str, Collection[Part]] | None = None,
    pair_before_relu: bool = True,
) -> onnx.ModelProto:
    """Return the Q/DQ form of an FP32 graph; `path` is its file, for messages.

    Each convolution reads its data through a Q/DQ pair and its weights through another. Other readers of the
    same tensor still get the float one. A tensor that no convolution reads gets no pair: the output of the
    last convolution stays float. `parts` names the quantised parts of each convolution, by its result; the
    default is both parts of all but `ranges.float_convolutions`.

    `pair_before_relu` repeats the pair of a ReLU's output at its input, if only quantised convolutions read
    the ReLU. No value changes, since a ReLU maps the grid to itself, but onnxruntime runs a convolution in
    INT8 only if a QuantizeLinear follows it directly.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < 13:
        raise UserError(f"{path}: expected opset 13 or later, found {opset}; export the model again")
    _use_relus(model, ranges)
    if parts is None:
        parts = {convolution.result: BOTH for convolution in quantized_convolutions(model, ranges)}
    chosen = {c.result: c for c in find_convolutions(model) if parts.get(c.result)}
    grids = _grids(model, chosen, parts, ranges, path)
    read = {result for result in chosen if "activations" in parts[result]}
    early = _relus_with_pair(model, chosen, grids, read) if pair_before_relu else {}
    names = {
        result: [
            name for name, part in ((c.data, "activations"), (c.weights, "weights")) if part in parts[result]
        ]
        for result, c in chosen.items()
    }
    _insert(model, names, grids, early)
    return model


def quantized_convolutions(graph: onnx.ModelProto, ranges: Ranges) -> list[Convolution]:
    """Return the convolutions of an FP32 graph that these ranges quantise, in its order."""
    left = set(ranges.float_convolutions)
    return [c for c in find_convolutions(graph) if not {c.result, c.output} & left]


def quantized_layers(
    graph: onnx.ModelProto, ranges: Ranges, path: Path, float_layers: Collection[str] = ()
) -> dict[str, str]:
    """Return the quantised layers of the graph in `path`, in its order: name to the convolution's result.

    Layers in `float_layers`, and those that the ranges keep in float, aren't. Raises UserError if none is
    left, and if two layers share a name.
    """
    chosen = [
        convolution
        for convolution in quantized_convolutions(graph, ranges)
        if convolution.layer not in float_layers
    ]
    layers = {convolution.layer: convolution.result for convolution in chosen}
    if not layers:
        raise UserError(f"{path}: expected a layer that is quantised, found that all stay in float")
    if len(layers) < len(chosen):
        names = ", ".join(convolution.layer for convolution in chosen)
        raise UserError(f"{path}: expected layers with names of their own, found {names}; rename them")
    return layers


def _results_of(graph: onnx.ModelProto, layers: Collection[str], path: Path) -> list[str]:
    """Return the results of the convolutions of some layers."""
    results = {convolution.layer: convolution.result for convolution in find_convolutions(graph)}
    for layer in layers:
        if layer not in results:
            raise UserError(
                f"{path}: expected layers to keep in float among {', '.join(results)}, found {layer}"
            )
    return [results[layer] for layer in layers]


def symmetric_grid(amax: float | np.ndarray) -> Grid:
    """Return int8 around 0: scale amax / 127, for a scalar or a value per channel.

    A channel whose scale is below the smallest normal float gets scale 1: its values are stored as zeros.
    """
    scale = (np.asarray(amax, np.float64) / INT8_MAX).astype(np.float32)
    # Below the smallest normal float a quotient x / scale is meaningless.
    scale = np.where(scale < np.finfo(np.float32).tiny, np.float32(1), scale)
    return Grid(scale, np.zeros(scale.shape, np.int8))


def asymmetric_grid(low: float | None, high: float | None, amax: float) -> Grid:
    """Return uint8 over the measured [low, high], limited to [-amax, amax] and widened to hold 0.

    The end of larger magnitude is amax itself: a method may go beyond the measured values. Without a
    measurement (None) the range is [-amax, amax].
    """
    if low is None or high is None:
        low, high = -amax, amax
    reaching = max(-low, high)
    bottom = -amax if -low == reaching else max(low, -amax)
    top = amax if high == reaching else min(high, amax)
    bottom, top = min(bottom, 0.0), max(top, 0.0)
    scale = np.float32((top - bottom) / UINT8_MAX)
    zero_point = np.clip(np.rint(-bottom / np.float64(scale)), 0, UINT8_MAX)
    return Grid(np.asarray(scale), np.asarray(zero_point, np.uint8))


def weight_grid(weights: np.ndarray, ranges: Ranges, name: str) -> Grid:
    """Return the grid of finite weights O x I x kh x kw of the initializer `name`: per channel, or one.

    Its range is `ranges.weight_amax`, or the largest magnitude of each channel (of all channels).
    """
    if name in ranges.weight_amax:
        amax = np.asarray(ranges.weight_amax[name], np.float64)
        return symmetric_grid(amax[0] if ranges.weights == "per-tensor" else amax)
    channels = np.abs(weights.reshape(weights.shape[0], -1)).max(axis=1)
    return symmetric_grid(channels.max() if ranges.weights == "per-tensor" else channels)


def activation_grid(tensor: TensorRange, ranges: Ranges) -> Grid:
    """Return the grid of a tensor that a convolution reads."""
    if ranges.activation == "asymmetric":
        return asymmetric_grid(tensor.min, tensor.max, tensor.amax)
    return symmetric_grid(tensor.amax)


def _grids(
    model: onnx.ModelProto,
    chosen: Mapping[str, Convolution],
    parts: Mapping[str, Collection[Part]],
    ranges: Ranges,
    path: Path,
) -> dict[str, Grid]:
    """Return the grid of every tensor that gets a pair, by its name."""
    constants = _constants(model)
    grids: dict[str, Grid] = {}
    for convolution in chosen.values():
        if convolution.weights not in constants:
            raise UserError(f"{path}: expected constant weights {convolution.weights}, found computed ones")
        weights = constants[convolution.weights]
        if not np.isfinite(weights).all():
            raise UserError(f"{path}: expected finite weights {convolution.weights}, found NaN or infinity")
        if "activations" in parts[convolution.result]:
            grids[convolution.data] = activation_grid(ranges.tensors[convolution.data], ranges)
        if "weights" in parts[convolution.result]:
            grids[convolution.weights] = weight_grid(weights, ranges, convolution.weights)
    return grids


def _use_relus(model: onnx.ModelProto, ranges: Ranges) -> None:
    """Replace clips to [0, 1] by ReLUs where levels end at 1 or before: they limit to it anyway.

    Runtimes fuse a ReLU with an INT8 convolution, and not a clip.
    """
    constants = _constants(model)
    data = {node.input[0] for node in model.graph.node if node.op_type == "Conv"}
    others = {name for node in model.graph.node if node.op_type != "Conv" for name in node.input}
    for node in model.graph.node:
        result = node.output[0]
        if node.op_type != "Clip" or result not in data - others or result not in ranges.tensors:
            continue
        limits = [float(constants[name]) for name in node.input[1:] if name in constants]
        if limits == [0.0, 1.0] and ranges.tensors[result].amax <= 1.0:
            node.op_type = "Relu"
            del node.input[1:]


def _relus_with_pair(
    model: onnx.ModelProto,
    chosen: Mapping[str, Convolution],
    grids: Mapping[str, Grid],
    read: Collection[str],
) -> dict[str, str]:
    """Return the ReLUs that take a pair at their input too: from output to input tensor.

    `read` are the results of the convolutions whose data is quantised.
    """
    readers: dict[str, list[bool]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node.op_type == "Conv" and node.output[0] in read)
    for output in model.graph.output:
        readers[output.name].append(False)
    return {
        convolution.output: convolution.result
        for convolution in chosen.values()
        if convolution.output != convolution.result
        and convolution.output in grids
        and _only_true(readers[convolution.output])
    }


def _only_true(values: Sequence[bool]) -> bool:
    return bool(values) and all(values)


def _insert(
    model: onnx.ModelProto,
    quantized: Mapping[str, Collection[str]],
    grids: Mapping[str, Grid],
    early: Mapping[str, str],
) -> None:
    """Rewrite the graph in place, each pair right before the first node that reads it.

    `quantized` has the tensors that each convolution, by its result, reads through a pair.
    """
    nodes: list[onnx.NodeProto] = []
    dequantized: dict[str, str] = {}
    for node in model.graph.node:
        result = node.output[0]
        if node.op_type == "Conv" and result in quantized:
            for position, name in enumerate(node.input):
                if name in quantized[result]:
                    if name not in dequantized:
                        dequantized[name] = _add_pair(model, nodes, name, grids[name])
                    node.input[position] = dequantized[name]
        elif result in early:
            node.input[0] = _add_pair(model, nodes, early[result], grids[result])
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _add_pair(model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str, grid: Grid) -> str:
    """Append the Q/DQ pair of a tensor (axis 0 for a vector of scales); return the name of its output."""
    scale_name, zero_name, quantized, result = (
        f"{name}_{suffix}" for suffix in ("scale", "zero_point", "quantized", "dequantized")
    )
    model.graph.initializer.append(numpy_helper.from_array(grid.scale, scale_name))
    model.graph.initializer.append(numpy_helper.from_array(grid.zero_point, zero_name))
    for kind, source, target in (
        ("QuantizeLinear", name, quantized),
        ("DequantizeLinear", quantized, result),
    ):
        node = helper.make_node(kind, [source, scale_name, zero_name], [target], name=f"{target}/{kind}")
        if grid.scale.ndim:
            node.attribute.append(helper.make_attribute("axis", 0))
        nodes.append(node)
    return result


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = numpy_helper.to_array(attribute.t)
    return constants
