"""Run an engine on the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from superres.device.base.conventions import INPUT, OUTPUT
from superres.device.base.errors import UserError
from superres.device.runtimes.base import LayerTime, Settings, frame_sizes, input_shape
from superres.device.runtimes.sessions.bound import BoundSession
from superres.device.runtimes.trt.config import takes_memory
from superres.device.runtimes.trt.cuda import Cuda, Device, DeviceMemory, Graph
from superres.device.runtimes.trt.engine import frame_type
from superres.device.runtimes.trt.layers import Layer, layer_macs, read_inspector
from superres.device.runtimes.trt.library import make_log

if TYPE_CHECKING:
    import tensorrt


def check_origin(facts: Mapping[str, Any], name: str, version: str, device: Device | None) -> None:
    """Raise UserError if an engine's facts don't match this TensorRT and this device.

    An engine without a device (`device` None in its facts) fits any.
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
                f"the engine was built with {key} {found[key]}, this is {value}: TensorRT's engines belong "
                "to one version and one device; build it again, with snakemake --forcerun build_engine, "
                "or build_engine_on_device"
            )


def deserialize(
    trt: Any, runtime: tensorrt.Runtime, plan: bytes, *, log: Any, where: str
) -> tensorrt.ICudaEngine:
    """Return an engine from its serialised form; raises UserError with TensorRT's message if that fails.

    The runtime and its log must live as long as the engine.
    """
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        reason = " ".join((log.errors[-1] if log.errors else "no reason given").split())
        raise UserError(
            f"{where}: TensorRT {trt.__version__} can't open the engine: {reason}; build it again"
        )
    return engine


def create_context(
    trt: Any, engine: tensorrt.ICudaEngine, cuda: Cuda, where: str
) -> tuple[tensorrt.IExecutionContext, DeviceMemory | None]:
    """Return a context, and the memory that it works in if the caller has to give it.

    TensorRT-RTX gets no kernels other than the final ones: a recorded graph would keep others for good.
    Raises UserError if there is too little memory.
    """
    memory: DeviceMemory | None = None
    if takes_memory(trt):
        runtime: Any = engine.create_runtime_config()  # pyright: ignore[reportAttributeAccessIssue]
        runtime.set_execution_context_allocation_strategy(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        strategies = trt.DynamicShapesKernelSpecializationStrategy
        runtime.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        context = engine.create_execution_context(runtime)
    else:
        context = engine.create_execution_context()
    if context is None:
        raise UserError(
            f"{where}: expected more free memory on the CUDA device for the engine's scratch memory of "
            f"{scratch_bytes(engine) / 1e6:.1f} MB; end what else runs on it"
        )
    if takes_memory(trt):
        size = scratch_bytes(engine)
        memory = cuda.allocate(max(size, 1))
        context.set_device_memory(memory.address, size)  # pyright: ignore[reportAttributeAccessIssue]
    return context, memory


def scratch_bytes(engine: tensorrt.ICudaEngine) -> int:
    """Return the device memory that a context needs beside the engine; its name depends on the version."""
    newer = getattr(engine, "device_memory_size_v2", None)
    return getattr(engine, "device_memory_size", 0) if newer is None else newer


def inspect_plan(trt: Any, plan: bytes, settings: Settings, *, where: str) -> str:
    """Return the inspector's JSON of a serialised engine, at the size that it is tuned for.

    Without a context TensorRT tells no types of an engine for several sizes. Raises UserError if the engine
    can't be opened.
    """
    log = make_log(trt)
    runtime = trt.Runtime(log)
    engine = deserialize(trt, runtime, plan, log=log, where=where)
    context: tensorrt.IExecutionContext | None = engine.create_execution_context()
    if context is not None:
        shape: Any = input_shape(frame_sizes(settings).tuned, settings.frames)
        context.set_input_shape(INPUT, shape)
    return inspect(trt, engine, context)


def inspect(trt: Any, engine: tensorrt.ICudaEngine, context: tensorrt.IExecutionContext | None = None) -> str:
    """Return the engine inspector's JSON.

    An engine for several sizes needs a context with one of them for types and shapes.
    """
    inspector = engine.create_engine_inspector()
    if context is not None:
        inspector.execution_context = context
    return inspector.get_engine_information(trt.LayerInformationFormat.JSON)


class TensorrtSession(BoundSession):
    """An engine between two arrays in pinned memory, each with a copy on the device.

    `preprocess` ends when the frame is on the device, `execute` when the device is done: the runtime's time
    includes no transfer, and comes from the device's own clock. The engine runs as a CUDA graph if it can
    be recorded.
    """

    queued = True

    def __init__(self, trt: Any, path: Path, settings: Settings):
        super().__init__(settings)
        self._trt = trt
        # Not every version's objects keep their parents alive.
        self._log = make_log(trt)
        self._runtime = trt.Runtime(self._log)
        self._cuda = Cuda()
        self._stream = self._cuda.stream()
        self._begin, self._end = self._cuda.event(), self._cuda.event()
        plan = path.read_bytes()
        self._plan_bytes = len(plan)
        self._sizes = settings.facts.get("sizes", {})
        self._engine = deserialize(trt, self._runtime, plan, log=self._log, where=str(path))
        self._context, self._scratch = create_context(trt, self._engine, self._cuda, str(path))
        self._graph: Graph | None = None
        self._memory: tuple[DeviceMemory, ...] = ()
        _check_tensors(trt, self._engine, settings.frames, str(path))

    def facts(self) -> dict[str, Any]:
        return {"cuda_graph": self._graph is not None}

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        return self._cuda.host_array(shape, dtype)

    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        if not self._context.set_input_shape(INPUT, inputs.shape):
            smallest, largest = (tuple(self._sizes.get(name, ())) for name in ("smallest", "largest"))
            raise UserError(
                f"expected frames from {smallest} to {largest}, as the engine was built for, "
                f"found {self._size}; build the engine again"
            )
        self._graph = None
        self._memory = (self._cuda.allocate(inputs.nbytes), self._cuda.allocate(outputs.nbytes))
        for name, memory in zip((INPUT, OUTPUT), self._memory):
            self._context.set_tensor_address(name, memory.address)
        # The first run of a new shape prepares it, which can't be recorded.
        self._enqueue()
        self._stream.synchronize()
        self._graph = self._record()

    def preprocess(self, frame: np.ndarray) -> None:
        super().preprocess(frame)
        self._stream.upload(self._memory[0], self._inputs)
        self._stream.synchronize()

    def enqueue(self, inputs: None) -> None:
        self._stream.record(self._begin)
        if self._graph is not None:
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
        """Return the engine's own memory: the plan with its weights, scratch memory, both ends.

        The CUDA context isn't part of it. What is free on the device would depend on other processes and, on
        a Jetson, on the page cache.
        """
        ends = self._inputs.nbytes + self._outputs.nbytes if self._memory else 0
        return self._plan_bytes + scratch_bytes(self._engine) + ends

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

    def _record(self) -> Graph | None:
        """Record the engine's work as a graph; None if that fails, as with layers that wait for the host."""
        # TensorRT-RTX says in advance whether it can.
        capturable = getattr(self._context, "is_stream_capturable", None)
        if capturable is not None and not capturable(self._stream.handle):
            return None
        return self._stream.capture(lambda: self._context.execute_async_v3(self._stream.handle))


def _check_tensors(trt: Any, engine: tensorrt.ICudaEngine, frames: str, where: str) -> None:
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    expected = frame_type(trt, frames)
    if sorted(names) != sorted((INPUT, OUTPUT)) or any(engine.get_tensor_dtype(n) != expected for n in names):
        raise UserError(
            f"{where}: expected tensors of {frames}, {INPUT} and {OUTPUT}, found {names}; build it again"
        )


def layer_times(times: Mapping[str, Sequence[float]], layers: Sequence[Layer]) -> list[LayerTime]:
    """Return times with facts of their layers, sorted by run."""
    known = {layer.name: layer for layer in layers}
    found = []
    for name, values in times.items():
        # The inspector doesn't list layers that TensorRT adds at run time, such as reformatted inputs.
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
