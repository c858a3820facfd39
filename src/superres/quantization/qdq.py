"""Insert QuantizeLinear and DequantizeLinear around the convolutions of an FP32 graph.

What TensorRT 8.5's parser takes, and with it every later one and the other runtimes: symmetric int8 with
zero-point 0, FP32 scales, weights as FP32 initializer -> QuantizeLinear -> DequantizeLinear along their
output channels, biases in float.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from superres.device.errors import UserError
from superres.device.machine import sha256_file
from superres.device.outputs import Outputs
from superres.quantization.graph import Convolution, find_convolutions, load_onnx, observed_tensors
from superres.quantization.levels import LEVELS


def channel_scales(weights: np.ndarray) -> np.ndarray:
    """Scale of each output channel: max |w| / 127, float32; 1 for a channel of zeros.

    `weights` is O x I x kh x kw, finite.
    """
    amax = np.abs(weights.reshape(weights.shape[0], -1)).max(axis=1)
    scales = (amax.astype(np.float64) / LEVELS).astype(np.float32)
    # Below the smallest normal float a quotient w / scale says nothing: such a channel is zero.
    return np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)


def quantize_onnx(
    onnx_path: Path,
    ranges: Path,
    out: Path,
    *,
    float_convolutions: Collection[str] = (),
    pair_before_relu: bool = True,
) -> None:
    """Write the Q/DQ graph of an FP32 ONNX file and its ranges.

    Every convolution reads its data through one Q/DQ pair a tensor and its weights through another, per
    output channel. Whatever else reads such a tensor still gets the float one, and a tensor that no
    convolution reads gets no pair: the output of the last convolution stays float. A convolution whose
    output (or the output of its ReLU) is named in `float_convolutions` stays FP32.

    `pair_before_relu` repeats the pair of a ReLU's output at its input. That changes no value, since a ReLU
    maps the int8 grid to itself, but onnxruntime runs a convolution in INT8 only if a QuantizeLinear
    follows it directly. It does so where nothing but quantised convolutions reads the ReLU.

    The same inputs give the same bytes. Raises UserError if the ranges belong to another graph or name
    tensors that it has not.
    """
    model = load_onnx(onnx_path)
    convolutions = find_convolutions(model)
    chosen = _choose(convolutions, float_convolutions, onnx_path)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < 13:
        raise UserError(f"{onnx_path}: expected opset 13 or later, found {opset}; export the model again")
    amax = _read_ranges(ranges, onnx_path, observed_tensors(convolutions))
    scales = _scales(model, chosen, amax, onnx_path)
    early = _relus_with_pair(model, chosen) if pair_before_relu else {}
    _insert(model, chosen, scales, early)
    onnx.checker.check_model(model, full_check=True)
    with Outputs({"onnx": str(out)}) as outputs:
        outputs["onnx"].write_bytes(model.SerializeToString(deterministic=True))


def _choose(
    convolutions: list[Convolution], float_convolutions: Collection[str], path: Path
) -> dict[str, Convolution]:
    """The convolutions to quantise by the name of their result."""
    known = {name for convolution in convolutions for name in (convolution.result, convolution.output)}
    for name in float_convolutions:
        if name not in known:
            raise UserError(
                f"{path}: expected the output of a convolution to keep in float, found no tensor {name}"
            )
    return {
        convolution.result: convolution
        for convolution in convolutions
        if not {convolution.result, convolution.output} & set(float_convolutions)
    }


def _read_ranges(path: Path, onnx_path: Path, names: list[str]) -> dict[str, float]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        tensors: Mapping[str, Any] = record["tensors"]
        made_for = record["onnx_sha256"]
        amax = {name: float(entry["amax"]) for name, entry in tensors.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected a ranges file, found something else: {error!r}") from error
    found = sha256_file(onnx_path)
    if made_for != found:
        raise UserError(
            f"{path}: expected ranges of {onnx_path} (sha256 {found[:12]}), "
            f"found those of another graph ({made_for[:12]}); calibrate again"
        )
    if set(amax) != set(names):
        odd = sorted(set(amax) ^ set(names))
        raise UserError(
            f"{path}: expected ranges of {', '.join(names)}, "
            f"found unknown or missing: {', '.join(odd)}; calibrate again"
        )
    for name, value in amax.items():
        if not np.finfo(np.float32).tiny <= np.float32(value / LEVELS) < np.inf:
            raise UserError(
                f"{path}: expected a positive range for tensor {name}, found {value}; calibrate again"
            )
    return amax


def _scales(
    model: onnx.ModelProto, chosen: Mapping[str, Convolution], amax: Mapping[str, float], path: Path
) -> dict[str, np.ndarray]:
    """Scale of every tensor that the chosen convolutions read: a scalar for data, a vector for weights."""
    constants = _constants(model)
    scales: dict[str, np.ndarray] = {}
    for convolution in chosen.values():
        if convolution.weights not in constants:
            raise UserError(f"{path}: expected constant weights {convolution.weights}, found computed ones")
        weights = constants[convolution.weights]
        if not np.isfinite(weights).all():
            raise UserError(f"{path}: expected finite weights {convolution.weights}, found NaN or infinity")
        scales[convolution.data] = np.asarray(amax[convolution.data] / LEVELS, np.float32)
        scales[convolution.weights] = channel_scales(weights)
    return scales


def _relus_with_pair(model: onnx.ModelProto, chosen: Mapping[str, Convolution]) -> dict[str, str]:
    """ReLUs between convolutions that take a pair at their input too: from output to input tensor."""
    readers: dict[str, list[bool]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node.op_type == "Conv" and node.output[0] in chosen)
    for output in model.graph.output:
        readers[output.name].append(False)
    return {
        convolution.output: convolution.result
        for convolution in chosen.values()
        if convolution.output != convolution.result and _only_true(readers[convolution.output])
    }


def _only_true(values: Sequence[bool]) -> bool:
    return bool(values) and all(values)


def _insert(
    model: onnx.ModelProto,
    chosen: Mapping[str, Convolution],
    scales: Mapping[str, np.ndarray],
    early: Mapping[str, str],
) -> None:
    """Rewrite the graph in place, each pair right before the first node that reads it."""
    nodes: list[onnx.NodeProto] = []
    dequantized: dict[str, str] = {}
    for node in model.graph.node:
        result = node.output[0]
        if node.op_type == "Conv" and result in chosen:
            for position, name in enumerate((chosen[result].data, chosen[result].weights)):
                if name not in dequantized:
                    dequantized[name] = _add_pair(model, nodes, name, scales[name])
                node.input[position] = dequantized[name]
        elif result in early:
            node.input[0] = _add_pair(model, nodes, early[result], scales[result])
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _add_pair(model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str, scale: np.ndarray) -> str:
    """Append the Q/DQ pair of a tensor (axis 0 where the scale is a vector); gives the name of its output."""
    scale_name, zero_name, quantized, result = (
        f"{name}_{suffix}" for suffix in ("scale", "zero_point", "quantized", "dequantized")
    )
    model.graph.initializer.append(numpy_helper.from_array(scale, scale_name))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(scale.shape, np.int8), zero_name))
    for kind, source, target in (
        ("QuantizeLinear", name, quantized),
        ("DequantizeLinear", quantized, result),
    ):
        node = helper.make_node(kind, [source, scale_name, zero_name], [target], name=f"{target}/{kind}")
        if scale.ndim:
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
