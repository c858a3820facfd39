"""An engine on the device: its memory, its stream, and what the two are made to do for each frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from superres.device.base.errors import UserError
from superres.device.runtimes.base import INPUT, OUTPUT, LayerTime, Settings
from superres.device.runtimes.sessions.bound import BoundSession
from superres.device.runtimes.trt.cuda import Cuda, Device, DeviceMemory
from superres.device.runtimes.trt.engine import frame_type
from superres.device.runtimes.trt.layers import Layer, layer_macs, read_inspector
from superres.device.runtimes.trt.library import make_log

if TYPE_CHECKING:
    import tensorrt


def check_origin(facts: Mapping[str, Any], name: str, version: str, device: Device | None) -> None:
    """Raise UserError if an engine, by the facts of its build, is not of this TensorRT and this device.

    An engine that was built for no device in particular (`device` None in its facts) fits any.
    """
    built = facts.get("device")
    expected = {"module": name, "version": version}
    found = {key: facts.get(key) for key in expected}
    if built is not None:
        expected["device"] = " ".join(device) if device else "none"
        found["device"] = " ".join(built[key] for key in Device._fields)
    for key, value in expected.items():
        if found[key] != value:
            raise UserError(
                f"the engine was built with {key} {found[key]}, this is {value}: TensorRT's engines belong to one "
                "version and one device; build it again, with snakemake --forcerun build_engine"
            )


def deserialize(
    trt: Any, runtime: tensorrt.Runtime, plan: bytes, *, log: Any, where: str
) -> tensorrt.ICudaEngine:
    """An engine from its serialised form; raises UserError with TensorRT's own words if it takes none.

    The runtime and its log have to live as long as the engine.
    """
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        reason = " ".join((log.errors[-1] if log.errors else "no reason given").split())
        raise UserError(
            f"{where}: TensorRT {trt.__version__} can't open the engine: {reason}; build it again"
        )
    return engine


def inspect(trt: Any, engine: tensorrt.ICudaEngine, context: tensorrt.IExecutionContext | None = None) -> str:
    """What the engine inspector says of an engine, as JSON.

    Types and shapes of an engine for several sizes are known only with a context that has one of them.
    """
    inspector = engine.create_engine_inspector()
    if context is not None:
        inspector.execution_context = context
    return inspector.get_engine_information(trt.LayerInformationFormat.JSON)


class TensorrtSession(BoundSession):
    """An engine between two arrays in pinned memory, with the device's memory of each beside it.

    `preprocess` ends when the frame is on the device, `execute` when the device has computed: what is timed
    as the runtime alone holds no transfer, and is measured by the device's own clock. The engine's work is
    recorded as a CUDA graph where it can be, and launched as one.
    """

    queued = True

    def __init__(self, trt: Any, path: Path, settings: Settings):
        super().__init__(settings)
        self._trt = trt
        # Not every version's objects keep alive what they were made from.
        self._log = make_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._cuda = Cuda()
        self._stream = self._cuda.stream()
        self._begin, self._end = self._cuda.event(), self._cuda.event()
        self._free_before = self._cuda.free_memory()
        self._engine = deserialize(trt, self._runtime, path.read_bytes(), log=self._log, where=str(path))
        self._context: tensorrt.IExecutionContext = self._engine.create_execution_context()
        self._graph = 0
        self._memory: tuple[DeviceMemory, ...] = ()
        _check_tensors(trt, self._engine, settings.frames, str(path))

    def facts(self) -> dict[str, Any]:
        return {"cuda_graph": self._graph != 0}

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        return self._cuda.host_array(shape, dtype)

    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        if not self._context.set_input_shape(INPUT, inputs.shape):
            smallest, _, largest = self._engine.get_tensor_profile_shape(INPUT, 0)
            raise UserError(
                f"expected frames from {smallest} to {largest}, as the engine was built for, "
                f"found {inputs.shape}; build the engine again"
            )
        self._stream.discard(self._graph)
        self._graph = 0
        self._memory = (self._cuda.allocate(inputs.nbytes), self._cuda.allocate(outputs.nbytes))
        for name, memory in zip((INPUT, OUTPUT), self._memory):
            self._context.set_tensor_address(name, memory.address)
        # A new shape makes the first run prepare, which no recording may hold.
        self._enqueue()
        self._stream.synchronize()
        self._graph = self._record()

    def preprocess(self, frame: np.ndarray) -> None:
        super().preprocess(frame)
        self._stream.upload(self._memory[0], self._inputs)
        self._stream.synchronize()

    def enqueue(self, inputs: None) -> None:
        self._stream.record(self._begin)
        if self._graph:
            self._stream.launch(self._graph)
        else:
            self._enqueue()
        self._stream.record(self._end)

    def wait(self, work: None) -> None:
        self._stream.synchronize()

    def infer(self) -> None:
        self.wait(self.enqueue(None))

    def device_ms(self) -> float:
        return self._begin.milliseconds_to(self._end)

    def device_memory_bytes(self) -> int:
        # Free memory is that of the whole device; nothing else is expected to run there.
        return max(0, self._free_before - min(self._free_before, self._cuda.free_memory()))

    def postprocess(self, outputs: None) -> np.ndarray:
        self._stream.download(self._outputs, self._memory[1])
        self._stream.synchronize()
        return super().postprocess(outputs)

    def profile(self, frame: np.ndarray, runs: int) -> list[LayerTime]:
        self.preprocess(frame)
        layers = read_inspector(inspect(self._trt, self._engine, self._context))
        profiler = _make_profiler(self._trt)
        self._context.profiler = profiler
        for _ in range(runs):
            self._enqueue()
            self._stream.synchronize()
        return layer_times(profiler.times, layers)

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            reason = self._log.errors[-1] if self._log.errors else "no reason given"
            raise RuntimeError(f"TensorRT can't run the engine: {reason}")

    def _record(self) -> int:
        """The engine's work as a graph; 0 where it can't be recorded, as with layers that wait for the host."""
        self._stream.begin_capture()
        try:
            enqueued = self._context.execute_async_v3(self._stream.handle)
        finally:
            # Also a failed recording has to be ended.
            try:
                graph = self._stream.end_capture()
            except RuntimeError:
                graph = 0
        return graph if enqueued else 0


def _check_tensors(trt: Any, engine: tensorrt.ICudaEngine, frames: str, where: str) -> None:
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    expected = frame_type(trt, frames)
    if sorted(names) != sorted((INPUT, OUTPUT)) or any(engine.get_tensor_dtype(n) != expected for n in names):
        raise UserError(
            f"{where}: expected {frames} tensors {INPUT} and {OUTPUT}, found {names}; build it again"
        )


def layer_times(times: Mapping[str, Sequence[float]], layers: Sequence[Layer]) -> list[LayerTime]:
    """Times by the names of layers, with what is known of each layer; run by run."""
    known = {layer.name: layer for layer in layers}
    found = []
    for name, values in times.items():
        # What TensorRT adds while it runs, such as a reformatted input, the inspector doesn't name.
        layer = known.get(name, Layer(name, "", (), (), (), ()))
        shape = layer.inputs[0].shape if layer.inputs else ()
        macs = layer_macs(layer)
        for run, ms in enumerate(values):
            found.append(LayerTime(run, name, layer.kind, layer.type, shape, macs, layer.nodes, ms))
    return sorted(found, key=lambda time: time.run)


def _make_profiler(trt: Any) -> Any:
    class Profiler(trt.IProfiler):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProfiler.__init__(self)
            self.times: dict[str, list[float]] = {}

        def report_layer_time(self, layer_name: str, ms: float) -> None:
            self.times.setdefault(layer_name, []).append(ms)

    return Profiler()
