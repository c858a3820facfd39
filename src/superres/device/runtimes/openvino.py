"""OpenVINO on the CPU: the conversion of uint8 frames is part of the compiled graph, if that is asked for."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

import numpy as np

# OpenVINO calls home whenever it is imported, from a forked process that can hang for good. Where the package
# that does so can't be imported, OpenVINO puts a stub in its place.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

import openvino as ov
from openvino import opset13 as ops

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import (
    AS_WRITTEN,
    WARMUP_RUNS,
    LayerTime,
    Settings,
    convolution_macs,
)
from superres.device.runtimes.bound import BoundSession, block_channels
from superres.device.runtimes.sizes import frame_sizes, input_shape

LATENCY, THROUGHPUT = "LATENCY", "THROUGHPUT"
# What OpenVINO is asked for, and what its convolutions then have to run in.
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_PRODUCT_TYPES = {"fp32": {"f32"}, "bf16": {"bf16"}, "int8": {"i8", "u8"}}
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16", "int8": "INT8", AS_WRITTEN: "FP32"}


def check_precision(precision: str) -> None:
    """Raise UnsupportedError for what OpenVINO doesn't have on any processor; see `base.Runtime`."""
    _kind(precision)


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Compile an ONNX file for this processor and write the compiled blob; see `base.Runtime`."""
    return compile_file(model, engine, settings, LATENCY)


def compile_file(model: Optional[Path], engine: Path, settings: Settings, aim: str) -> Dict[str, Any]:
    """Compile for the least `LATENCY` or for `THROUGHPUT`; see `build`."""
    kind = _kind(settings.precision)
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
    facts["native"] = _CAPABILITIES[kind] in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    facts["sizes"] = settings.options["sizes"] if _for_one_size(settings) else None
    blob = compiled.export_model()
    engine.write_bytes(blob if isinstance(blob, bytes) else blob.getvalue())
    return facts


def prepare_network(core: ov.Core, model: Path, settings: Settings) -> ov.Model:
    """The graph that is compiled: that of an ONNX file, with the conversion of uint8 frames in it if the engine takes such.

    Where the option `sizes` has but one, it is for that one: OpenVINO merges transpositions only if it knows all sizes.
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
    """Whether the option `sizes` is given and has but one."""
    return settings.options.get("sizes") is not None and frame_sizes(settings).fixed


def open_engine(engine: Path, settings: Settings) -> "OpenvinoSession":
    """Open the engine; see `base.Runtime`."""
    compiled = load_compiled(engine, properties(settings, LATENCY))
    return OpenvinoSession(compiled, engine, settings)


def load_compiled(engine: Path, asked: Mapping[str, Any]) -> ov.CompiledModel:
    """A compiled graph as `build` wrote it."""
    return ov.Core().import_model(engine.read_bytes(), "CPU", dict(asked))


def versions() -> Dict[str, str]:
    """Version of OpenVINO."""
    return {"openvino": ov.get_version()}


class OpenvinoSession(BoundSession):
    """A compiled graph with frames or planes in and out."""

    def __init__(self, compiled: ov.CompiledModel, engine: Path, settings: Settings):
        """Run a compiled graph, that of `engine`, by a request of its own."""
        super().__init__(settings, _block_channels(compiled) if settings.frames == "uint8" else 0)
        self._engine, self._settings = engine, settings
        self._compiled = compiled
        self.request = compiled.create_infer_request()

    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        shape = self._compiled.input(0).get_partial_shape()
        if shape.is_static and tuple(shape.to_shape()) != inputs.shape:
            raise UserError(
                f"{self._engine}: expected frames {tuple(shape.to_shape())}, the only size that the engine was built for, "
                f"found {inputs.shape}; build the engine again"
            )
        # The tensors share the arrays' memory and do not keep them alive: the session does.
        self.request.set_input_tensor(ov.Tensor(inputs, shared_memory=True))
        self.request.set_output_tensor(ov.Tensor(outputs, shared_memory=True))

    def infer(self) -> None:
        self.request.infer()

    def profile(self, frame: np.ndarray, runs: int) -> List[LayerTime]:
        # Counters are chosen when an engine is opened.
        compiled = load_compiled(self._engine, {**properties(self._settings, LATENCY), "PERF_COUNT": True})
        counting = OpenvinoSession(compiled, self._engine, self._settings)
        for _ in range(WARMUP_RUNS):
            counting.run(frame)
        # Only now does the graph have the sizes of this frame.
        known = {
            node.get_friendly_name(): node
            for node in counting._compiled.get_runtime_model().get_ordered_ops()
        }
        times = []
        for run in range(runs):
            counting.run(frame)
            for info in counting.request.profiling_info:
                if info.status == ov.ProfilingInfo.Status.EXECUTED:
                    times.append(_layer_time(run, info, known[info.node_name]))
        return times


def compile_product(
    precision: str, rows: int, size: int, threads: int
) -> Optional[Tuple[Callable[[], object], int]]:
    """A product of matrices, rows x size and size x size, in fp32, bf16 or int8, as a call, and its multiply-adds.

    In int8 it is uint8 data with int8 weights, as in a Q/DQ graph; what comes out is quantised again, for float would be four
    times as much to write, and read by a small second product. None where OpenVINO computes in another type.
    """
    element = np.uint8 if precision == "int8" else np.float32
    data = ops.parameter([rows, size], element, name="data")
    if precision == "int8":
        levels = _quantized_product(_scaled(data), size, size)
        top = np.float32(255)
        levels = ops.fake_quantize(levels, np.float32(0), top, np.float32(0), top, 256)
        result, columns = _quantized_product(levels, 16, size), size + 16
    else:
        result, columns = ops.matmul(data, ops.constant(np.ones((size, size), element)), False, True), size
    settings = Settings("int8-" if precision == "int8" else precision, threads)
    network = ov.Model([result.output(0)], [data], "product")  # pyright: ignore[reportGeneralTypeIssues]
    compiled = ov.Core().compile_model(network, "CPU", properties(settings, LATENCY))
    found = {
        _runtime_info(node, "runtimePrecision")
        for node in compiled.get_runtime_model().get_ordered_ops()
        if _runtime_info(node, "layerType") in ("MatMul", "FullyConnected")
    }
    if not found or not found <= _PRODUCT_TYPES[precision]:
        return None
    request = compiled.create_infer_request()
    request.set_input_tensor(ov.Tensor(np.ones((rows, size), element)))
    return request.infer, rows * size * columns


def _quantized_product(data: ov.Node, rows: int, size: int) -> ov.Node:
    return ops.matmul(data, _scaled(ops.constant(np.ones((rows, size), np.int8))), False, True)


def _scaled(levels: ov.Node) -> ov.Node:
    return ops.multiply(ops.convert(levels, "f32"), ops.constant(np.float32(0.1)))


def _layer_time(run: int, info: ov.ProfilingInfo, node: ov.Node) -> LayerTime:
    shapes = [node.get_input_partial_shape(i).get_min_shape() for i in range(node.get_input_size())]
    macs = 0
    if info.node_type == "Convolution":
        result = node.get_output_partial_shape(0).get_min_shape()
        macs = convolution_macs(tuple(shapes[1]), result[2], result[3])
    return LayerTime(
        run,
        info.node_name,
        info.node_type,
        _runtime_info(node, "runtimePrecision"),
        tuple(shapes[0]) if shapes else (),
        macs,
        tuple(filter(None, _runtime_info(node, "originalLayersNames").split(","))),
        info.real_time.total_seconds() * 1000,
    )


def _kind(precision: str) -> str:
    kind = "int8" if precision.startswith("int8-") else precision
    if kind not in _CAPABILITIES:
        raise UnsupportedError(f"openvino runs {', '.join(_CAPABILITIES)}, not {precision}")
    return kind


def properties(settings: Settings, aim: str) -> Dict[str, Any]:
    """What OpenVINO is asked for: the least `LATENCY` of a frame, or `THROUGHPUT` of many."""
    return {
        "PERFORMANCE_HINT": aim,
        "INFERENCE_NUM_THREADS": settings.threads,
        # What an INT8 graph leaves in float stays in float32.
        "INFERENCE_PRECISION_HINT": _HINTS.get(_kind(settings.precision), "f32"),
    }


def _block_channels(compiled: ov.CompiledModel) -> int:
    dimensions = compiled.output(0).get_partial_shape()
    return block_channels([dim.get_length() if dim.is_static else None for dim in dimensions])


def _read(core: ov.Core, model: Path, frames: str) -> ov.Model:
    try:
        network = core.read_model(str(model))
    except RuntimeError as error:
        raise UserError(
            f"{model}: expected an ONNX file that openvino reads, found: {_first_line(error)}"
        ) from error
    found = [(node.get_any_name(), node.element_type.get_type_name()) for node in network.inputs]
    # The conversion of frames may be part of the graph already.
    types = {"uint8": ("f32", "u8"), "float32": ("f32",)}[frames]
    if found not in [[("frame", kind)] for kind in types]:
        raise UserError(
            f"{model}: expected one input named 'frame' of {' or '.join(types)}, found {found}; export it again"
        )
    return network


def _with_uint8_frames(network: ov.Model) -> ov.Model:
    """Put the conversion from and to uint8 1 x H x W x 3 into the graph.

    OpenVINO's own conversion to uint8 truncates and wraps round, so rounding and limits are spelt out.
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
    """Take the network's own clip to 0..1 away, which the limits of the levels make superfluous.

    Those limits are in the graph of uint8 frames, and in `to_pixels` for float32 planes.

    In INT8 it does harm: OpenVINO 2026.4 clips before it scales, at the whole number of steps below the
    limit, so that white comes out up to one step too dark (240 for 255 in a test).
    """
    result = network.get_results()[0]
    source = result.input_value(0)
    limited = _limited(source.get_node())
    while limited is not None:
        source, limited = limited, _limited(limited.get_node())
    result.input(0).replace_source_output(source)


def _limited(node: ov.Node) -> Optional[ov.Output]:
    """What a node limits to 0 or more, or to 1 or less; None if the node does anything else."""
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
    """Compare what the compiled graph really runs in with what was asked; returns facts for the record."""
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    wanted = _HINTS.get(kind, "f32")
    if hint != wanted:
        raise UnsupportedError(f"openvino runs this graph in {hint} on this CPU, not in {wanted}")
    found = Counter(
        _runtime_info(node, "runtimePrecision")
        for node in compiled.get_runtime_model().get_ordered_ops()
        if _runtime_info(node, "layerType") == "Convolution"
    )
    # An INT8 graph may keep some of its convolutions in float on purpose; none at all is a failure.
    int8 = found["i8"] + found["u8"]
    fitting = int8 if kind == "int8" else found[wanted]
    if kind != AS_WRITTEN and (fitting == 0 or (kind != "int8" and fitting < sum(found.values()))):
        raise UnsupportedError(
            f"openvino runs these convolutions in {dict(found)} on this CPU, not in {kind}"
        )
    return {"precision_hint": hint, "convolutions": dict(found), "int8_convolutions": int8}


def _runtime_info(node: ov.Node, key: str) -> str:
    value = node.get_rt_info()[key]
    return str(getattr(value, "value", value))


def _first_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
