"""Compile graphs with OpenVINO: ONNX files with or without the conversion of frames, and matrix products."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import AS_WRITTEN, Settings, frame_sizes, input_shape
from superres.device.runtimes.openvino import CAPABILITIES, LATENCY, find_kind, versions
from superres.device.runtimes.sessions.openvino import HINTS, properties, runtime_info

_LACKING = re.compile(r"(?:No conversion rule found for operations|Conversion is failed for): ([^\n]+)")
_PRODUCT_TYPES = {"fp32": {"f32"}, "bf16": {"bf16"}, "int8": {"i8", "u8"}}


def compile_file(model: Optional[Path], engine: Path, settings: Settings, aim: str) -> Dict[str, Any]:
    """Compile for the least `LATENCY` or for `THROUGHPUT`; see `build`."""
    kind = find_kind(settings.precision)
    if model is None:
        raise UserError("openvino: expected an ONNX file as model, found none")
    core = ov.Core()
    try:
        network = prepare_network(core, model, settings)
        compiled = core.compile_model(network, "CPU", properties(settings, aim))
    except RuntimeError as error:
        if kind != "fp16":
            raise
        raise UnsupportedError(f"openvino has no fp16 on this CPU: {_first_line(error)}") from error
    facts = _check_precision(compiled, kind)
    facts["native"] = CAPABILITIES[kind] in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    facts["sizes"] = settings.options["sizes"] if _for_one_size(settings) else None
    blob = compiled.export_model()
    engine.write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())
    return facts


def prepare_network(core: ov.Core, model: Path, settings: Settings) -> ov.Model:
    """Return the graph to compile: an ONNX file's, with the conversion of uint8 frames if wanted.

    If the option `sizes` has only one, the graph is fixed to it: OpenVINO merges
    transpositions only if it knows all sizes.
    """
    frames = settings.frames
    network = _read(core, model, frames)
    # The conversion may be part of the file already.
    if network.input().element_type == ov.Type.f32:
        _drop_last_clip(network)
        if frames == "uint8":
            network = _with_uint8_frames(network)
    if _for_one_size(settings):
        network.reshape(list(input_shape(frame_sizes(settings).tuned, frames)))
    return network


def _for_one_size(settings: Settings) -> bool:
    """Return whether the option `sizes` is given and has only one."""
    return settings.options.get("sizes") is not None and frame_sizes(settings).fixed


def compile_product(
    precision: str, sizes: Tuple[int, int, int], threads: int
) -> Optional[Tuple[Callable[[], object], int]]:
    """Return a call that multiplies matrices, rows x size and size x columns, and its multiply-adds.

    In int8 it is uint8 data with int8 weights, as in a Q/DQ graph. Its result is quantised
    again, as float would be four times as much to write, and read by a small second
    product. None if OpenVINO computes in another type than fp32, bf16 or int8 as asked.
    """
    rows, size, columns = sizes
    element = np.uint8 if precision == "int8" else np.float32
    data = ops.parameter([rows, size], element, name="data")
    if precision == "int8":
        levels = _quantized_product(_scaled(data), columns, size)
        top = np.float32(255)
        levels = ops.fake_quantize(levels, np.float32(0), top, np.float32(0), top, 256)
        result, macs = _quantized_product(levels, 16, columns), rows * columns * (size + 16)
    else:
        weights = ops.constant(np.ones((columns, size), element))
        result, macs = ops.matmul(data, weights, False, True), rows * size * columns
    settings = Settings("int8-" if precision == "int8" else precision, threads)
    network = ov.Model([result.output(0)], [data], "product")  # pyright: ignore[reportGeneralTypeIssues]
    compiled = ov.Core().compile_model(network, "CPU", properties(settings, LATENCY))
    found = {
        runtime_info(node, "runtimePrecision")
        for node in compiled.get_runtime_model().get_ordered_ops()
        if runtime_info(node, "layerType") in ("MatMul", "FullyConnected")
    }
    if not found or not found <= _PRODUCT_TYPES[precision]:
        return None
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(np.ones((rows, size), element)))
    return request.infer, macs


def _quantized_product(data: ov.Node, rows: int, size: int) -> ov.Node:
    return ops.matmul(data, _scaled(ops.constant(np.ones((rows, size), np.int8))), False, True)


def _scaled(levels: ov.Node) -> ov.Node:
    return ops.multiply(ops.convert(levels, "f32"), ops.constant(np.float32(0.1)))


def _read(core: ov.Core, model: Path, frames: str) -> ov.Model:
    try:
        network = core.read_model(str(model))
    except RuntimeError as error:
        if lacking := _LACKING.search(str(error)):
            found = re.sub(r"-\d+\b", "", lacking[1]).strip()
            raise UnsupportedError(
                f"openvino {versions()['openvino']} lacks operators of this graph: {found}"
            ) from error
        raise UserError(
            f"{model}: expected an ONNX file that openvino reads, found: {_first_line(error)}"
        ) from error
    found = [(node.get_any_name(), node.element_type.get_type_name()) for node in network.inputs]
    # The conversion of frames may be part of the graph already.
    types = {"uint8": ("f32", "u8"), "float32": ("f32",)}[frames]
    if found not in [[("frame", kind)] for kind in types]:
        raise UserError(
            f"{model}: expected one input named 'frame' of {' or '.join(types)}, found {found}; "
            "export it again"
        )
    return network


def _with_uint8_frames(network: ov.Model) -> ov.Model:
    """Put the conversion from and to uint8 1 x H x W x 3 into the graph.

    OpenVINO's own conversion to uint8 truncates and wraps; the graph rounds and clips instead.
    """

    def to_levels(planes: ov.Output) -> ov.Output:
        levels = ops.multiply(planes, ops.constant(np.float32(255)))
        return ops.clamp(ops.round(levels, "half_to_even"), 0.0, 255.0).output(0)

    steps = ov.preprocess.PrePostProcessor(network)
    tensor = steps.input().tensor()
    tensor.set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC")).set_shape([1, -1, -1, 3])
    steps.input().preprocess().convert_element_type(ov.Type.f32).scale(255.0)
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.output().model().set_layout(ov.Layout("NCHW"))
    output = steps.output().postprocess().custom(to_levels)
    output.convert_element_type(ov.Type.u8).convert_layout(ov.Layout("NHWC"))
    return steps.build()


def _drop_last_clip(network: ov.Model) -> None:
    """Remove the network's own clip to 0..1: levels are clipped anyway.

    The graph of uint8 frames clips them, and `to_pixels` for float32 planes.

    In INT8 it does harm: OpenVINO 2026.4 clips before it scales, at the whole number of steps below the
    limit, which makes white up to one step too dark (240 for 255 in a test).
    """
    result = network.get_results()[0]
    source = result.input_value(0)
    limited = _limited(source.get_node())
    while limited is not None:
        source, limited = limited, _limited(limited.get_node())
    result.input(0).replace_source_output(source)


def _limited(node: ov.Node) -> Optional[ov.Output]:
    """Return the input that a node limits to 0 or more, or to 1 or less; None for other nodes."""
    limits = {"Maximum": 0.0, "Minimum": 1.0}
    if node.get_type_name() not in limits:
        return None
    for constant, other in ((0, 1), (1, 0)):
        # Only a constant has its value here.
        value = getattr(node.input_value(constant).get_node(), "data", None)
        if value is not None and value.size == 1 and value.item() == limits[node.get_type_name()]:
            return node.input_value(other)
    return None


def _check_precision(compiled: ov.CompiledModel, kind: str) -> Dict[str, Any]:
    """Check the types that the compiled graph really runs in; returns facts for the record."""
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    wanted = HINTS.get(kind, "f32")
    if hint != wanted:
        raise UnsupportedError(f"openvino runs this graph in {hint} on this CPU, not in {wanted}")
    found = Counter(
        runtime_info(node, "runtimePrecision")
        for node in compiled.get_runtime_model().get_ordered_ops()
        if runtime_info(node, "layerType") == "Convolution"
    )
    # An INT8 graph may keep some convolutions in float on purpose, but not all.
    int8 = found["i8"] + found["u8"]
    fitting = int8 if kind == "int8" else found[wanted]
    if kind != AS_WRITTEN and (fitting == 0 or (kind != "int8" and fitting < sum(found.values()))):
        raise UnsupportedError(
            f"openvino runs these convolutions in {dict(found)} on this CPU, not in {kind}"
        )
    return {"precision_hint": hint, "convolutions": dict(found), "int8_convolutions": int8}


def _first_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
