"""Insert QuantizeLinear and DequantizeLinear around the convolutions and products of an FP32 graph.

The form suits TensorRT from 8.5 on and the other runtimes: symmetric int8 with zero-point 0, FP32 scales,
weights as FP32 initializer -> QuantizeLinear -> DequantizeLinear along their output channels, biases in
float. Asymmetric activations are uint8, which TensorRT doesn't take.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx

from superres.device.base.errors import UserError
from superres.device.base.outputs import Outputs, sha256_file, write_json
from superres.models.graphs.layer_counts import count_layers
from superres.models.graphs.onnx_file import (
    SLOPED,
    Convolution,
    find_layers,
    load_onnx,
    read_constants,
    save_onnx,
)
from superres.quantization.grids import Grid, activation_grid, weight_grid
from superres.quantization.pairs import Pairs
from superres.quantization.ranges.record import Ranges, read_ranges

Part = Literal["activations", "weights"]
"""The parts of a convolution that can be quantised: its data and its weights."""

BOTH: frozenset[Part] = frozenset(("activations", "weights"))


def quantize_onnx(
    onnx_path: Path,
    ranges_path: Path,
    out: Path,
    *,
    record: Path | None = None,
    float_layers: Collection[str] = (),
    pair_before_relu: bool = True,
) -> None:
    """Write the Q/DQ graph of an FP32 ONNX file and its ranges; see `quantize_graph`.

    Layers in `float_layers` stay in float, and those that the ranges name. `record` gets the share of each
    layer in the multiply-adds, and why it isn't quantised. The same inputs give the same bytes. Raises
    UserError for ranges of another graph, for an unknown layer, and if all layers are to stay in float.
    """
    ranges, graph = read_ranges(ranges_path, onnx_path), load_onnx(onnx_path)
    kept = (*ranges.float_convolutions, *_results_of(graph, float_layers, onnx_path))
    ranges = replace(ranges, float_convolutions=kept)
    if float_layers and not _quantized(graph, ranges):
        raise UserError(
            f"{onnx_path}: expected a layer that isn't kept in float, found none beside "
            f"{', '.join(float_layers)}; take one out of float_layers, as all in float is fp32"
        )
    quantized = quantize_graph(graph, ranges, onnx_path, pair_before_relu=pair_before_relu)
    save_onnx(quantized, out)
    if record is not None:
        with Outputs({"record": str(record)}) as outputs:
            write_json(outputs["record"], describe_layers(quantized, out))


def describe_layers(graph: onnx.ModelProto, path: Path) -> dict[str, Any]:
    """Return the layers of a Q/DQ graph for a record: share of the multiply-adds, and why one is in float."""
    layers = count_layers(graph, path)
    total = sum(layer.macs for layer in layers)
    described = [
        {
            "layer": layer.layer,
            "operator": layer.operator,
            "quantized": layer.quantized,
            "share": round(layer.macs / total, 6),
            **({} if layer.quantized else {"why_float": layer.why_float}),
        }
        for layer in layers
    ]
    in_float = sum(layer.macs for layer in layers if not layer.quantized)
    return {
        "onnx_sha256": sha256_file(path),
        "macs_per_pixel": round(total, 2),
        "float_share": round(in_float / total, 6),
        "layers": described,
    }


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
    INT8 only if a QuantizeLinear follows it directly. A clip maps the grid to itself too. Before a LeakyReLU
    or PReLU the pair has a grid of its own, which rounds once more; `EARLY` in its name allows forms for
    runtimes that don't need it to remove it.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < 13:
        raise UserError(f"{path}: expected opset 13 or later, found {opset}; export the model again")
    if parts is None:
        parts = {layer.result: BOTH for layer in _quantized(model, ranges)}
    read = {result for result, each in parts.items() if "activations" in each}
    _use_relus(model, ranges, read)
    chosen = {c.result: c for c in find_layers(model) if parts.get(c.result)}
    grids = _grids(model, chosen, parts, ranges, path)
    early = _pairs_before_activations(model, chosen, grids, read, ranges) if pair_before_relu else {}
    names = {
        result: [
            name for name, part in ((c.data, "activations"), (c.weights, "weights")) if part in parts[result]
        ]
        for result, c in chosen.items()
    }
    axes = {c.weights: c.axis for c in chosen.values()}
    names |= _before_sums(model, {c.output for c in chosen.values()}, grids, ranges)
    Pairs(model, grids, axes).insert(names, early)
    return model


def _before_sums(
    model: onnx.ModelProto, outputs: Collection[str], grids: dict[str, Grid], ranges: Ranges
) -> dict[str, list[str]]:
    """Return the sums that read a quantised layer's output through a pair, and add the grids of those."""
    rounded = [name for name in ranges.sums if name in outputs]
    grids |= {name: activation_grid(ranges.sums[name], ranges) for name in rounded}
    found = {
        node.output[0]: [name for name in node.input if name in rounded]
        for node in model.graph.node
        if node.op_type == "Add"
    }
    return {result: names for result, names in found.items() if names}


def quantized_convolutions(graph: onnx.ModelProto, ranges: Ranges) -> list[Convolution]:
    """Return the convolutions of an FP32 graph that these ranges quantise, in its order."""
    return [layer for layer in _quantized(graph, ranges) if layer.kind == "Conv"]


def _quantized(graph: onnx.ModelProto, ranges: Ranges) -> list[Convolution]:
    """Return the same with products of matrices."""
    left = set(ranges.float_convolutions)
    return [c for c in find_layers(graph) if not {c.result, c.output} & left]


def quantized_layers(
    graph: onnx.ModelProto, ranges: Ranges, path: Path, float_layers: Collection[str] = ()
) -> dict[str, str]:
    """Return the quantised layers of the graph in `path`, in its order: name to the convolution's result.

    Layers in `float_layers`, and those that the ranges keep in float, aren't. Raises UserError if none is
    left, and if two layers share a name.
    """
    chosen = [
        convolution for convolution in _quantized(graph, ranges) if convolution.layer not in float_layers
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
    results = {layer.layer: layer.result for layer in find_layers(graph)}
    for layer in layers:
        if layer not in results:
            raise UserError(
                f"{path}: expected layers to keep in float among {', '.join(results)}, found {layer}"
            )
    return [results[layer] for layer in layers]


def _grids(
    model: onnx.ModelProto,
    chosen: Mapping[str, Convolution],
    parts: Mapping[str, Collection[Part]],
    ranges: Ranges,
    path: Path,
) -> dict[str, Grid]:
    """Return the grid of every tensor that gets a pair, by its name."""
    constants = read_constants(model)
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
            grids[convolution.weights] = weight_grid(weights, ranges, convolution.weights, convolution.axis)
    return grids


def _use_relus(model: onnx.ModelProto, ranges: Ranges, read: Collection[str]) -> None:
    """Replace clips from 0 up by ReLUs where the limit is rounded to the last level or beyond it.

    Levels limit to it anyway. Runtimes fuse a ReLU with an INT8 convolution, and not a clip. `read` are the
    results of the layers whose data is quantised: a clip that others read stays.
    """
    constants, readers = read_constants(model), _readers(model, read)
    for node in model.graph.node:
        result = node.output[0]
        if node.op_type != "Clip" or not _only_true(readers[result]) or result not in ranges.tensors:
            continue
        limits = [float(constants[name]) for name in node.input[1:] if name in constants]
        grid = activation_grid(ranges.tensors[result], ranges)
        last = np.iinfo(grid.zero_point.dtype).max - int(grid.zero_point)
        if len(limits) == 2 and limits[0] == 0.0 and np.rint(limits[1] / grid.scale) >= last:
            node.op_type = "Relu"
            del node.input[1:]


def _readers(model: onnx.ModelProto, read: Collection[str]) -> dict[str, list[bool]]:
    """Return for each tensor whether each of its readers is a layer in `read`, by the layer's result."""
    readers: dict[str, list[bool]] = defaultdict(list)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            readers[name].append(place == 0 and node.output[0] in read)
    for output in model.graph.output:
        readers[output.name].append(False)
    return readers


def _pairs_before_activations(
    model: onnx.ModelProto,
    chosen: Mapping[str, Convolution],
    grids: Mapping[str, Grid],
    read: Collection[str],
    ranges: Ranges,
) -> dict[str, tuple[str, Grid]]:
    """Return the activation functions that take a pair at their input too: from output to input and its grid.

    `read` are the results of the layers whose data is quantised.
    """
    readers = _readers(model, read)
    early: dict[str, tuple[str, Grid]] = {}
    for layer in chosen.values():
        if layer.activation and layer.output in grids and _only_true(readers[layer.output]):
            grid = grids[layer.output]
            if layer.activation in SLOPED:
                grid = activation_grid(ranges.tensors[layer.result], ranges)
            early[layer.output] = (layer.result, grid)
    return early


def _only_true(values: Sequence[bool]) -> bool:
    return bool(values) and all(values)
