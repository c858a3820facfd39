"""Run compiled graphs in OpenVINO, one frame after the other or several in flight."""

from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping

import numpy as np
import openvino as ov

from superres.device.base.errors import UserError
from superres.device.runtimes.base import WARMUP_RUNS, LayerTime, Settings, convolution_macs
from superres.device.runtimes.openvino import LATENCY, find_kind
from superres.device.runtimes.sessions.bound import BoundSession, block_channels

HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
"""The types that OpenVINO is asked to compute in, and that its convolutions must run in."""


def load_compiled(engine: Path, asked: Mapping[str, Any]) -> ov.CompiledModel:
    """Load a compiled graph that `build` wrote."""
    return ov.Core().import_model(engine.read_bytes(), "CPU", dict(asked))


def properties(settings: Settings, aim: str) -> Dict[str, Any]:
    """Return OpenVINO's properties for `LATENCY` or `THROUGHPUT`."""
    return {
        "PERFORMANCE_HINT": aim,
        "INFERENCE_NUM_THREADS": settings.threads,
        # The float part of an INT8 graph stays in float32.
        "INFERENCE_PRECISION_HINT": HINTS.get(find_kind(settings.precision), "f32"),
    }


class OpenvinoSession(BoundSession):
    """A compiled graph with frames or planes in and out."""

    def __init__(self, compiled: ov.CompiledModel, engine: Path, settings: Settings):
        """Run the compiled graph of `engine` with a request of its own."""
        super().__init__(settings, _block_channels(compiled) if settings.frames == "uint8" else 0)
        self._engine, self._settings = engine, settings
        self._compiled = compiled
        self.request = compiled.create_infer_request()

    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        shape = self._compiled.input(0).get_partial_shape()
        if shape.is_static and tuple(shape.to_shape()) != inputs.shape:
            raise UserError(
                f"{self._engine}: expected frames {tuple(shape.to_shape())}, the only size that the engine "
                f"was built for, found {inputs.shape}; build the engine again"
            )
        # The tensors share the arrays' memory; the session keeps the arrays alive.
        self.request.set_input_tensor(ov.Tensor(inputs, shared_memory=True))
        self.request.set_output_tensor(ov.Tensor(outputs, shared_memory=True))

    def infer(self) -> None:
        self.request.infer()

    def profile(self, frame: np.ndarray, runs: int) -> List[LayerTime]:
        # Counters can only be enabled when an engine is opened.
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


class StreamingSession(OpenvinoSession):
    """OpenVINO's optimal number of requests, used in turn; single frames use the first."""

    def __init__(self, compiled: ov.CompiledModel, engine: Path, settings: Settings):
        super().__init__(compiled, engine, settings)
        self.in_flight = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        others = (OpenvinoSession(compiled, engine, settings) for _ in range(self.in_flight - 1))
        self._lanes: List[OpenvinoSession] = [self, *others]

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        waiting: Deque[OpenvinoSession] = deque()
        for count, frame in enumerate(frames):
            if len(waiting) == self.in_flight:
                yield _finish(waiting.popleft())
            lane = self._lanes[count % self.in_flight]
            lane.preprocess(frame)
            lane.request.start_async()
            waiting.append(lane)
        while waiting:
            yield _finish(waiting.popleft())

    def facts(self) -> Dict[str, Any]:
        return {"in_flight": self.in_flight}


def _finish(lane: OpenvinoSession) -> np.ndarray:
    lane.request.wait()
    return lane.postprocess(None)


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
        runtime_info(node, "runtimePrecision"),
        tuple(shapes[0]) if shapes else (),
        macs,
        tuple(filter(None, runtime_info(node, "originalLayersNames").split(","))),
        info.real_time.total_seconds() * 1000,
    )


def _block_channels(compiled: ov.CompiledModel) -> int:
    dimensions = compiled.output(0).get_partial_shape()
    return block_channels([dim.get_length() if dim.is_static else None for dim in dimensions])


def runtime_info(node: ov.Node, key: str) -> str:
    """Return a compiled graph's information about one of its nodes."""
    value = node.get_rt_info()[key]
    return str(getattr(value, "value", value))
