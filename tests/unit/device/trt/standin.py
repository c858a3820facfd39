"""Stands in for TensorRT 8.5, only for what no real part can show without a GPU: its faults.

Its classes have no name that `names.csv` lacks for 8.5. An engine doubles frames by repeating pixels, on
memory of the library built from `cudart.c`.
"""

import csv
import ctypes
import enum
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
KINDS = ("memory", "pinned", "streams", "events", "graphs", "recorded")
UNTOLD = "N/A due to dynamic shapes"


def build_library(folder: Path) -> Path:
    """Compile the library; skips the test where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("this machine has no C compiler to build the stand-in for the CUDA runtime with")
    path = folder / "libcudart.so.11"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(path), str(HERE / "cudart.c")], check=True)
    return path


class Library:
    """The stand-in for the CUDA runtime, and what it noted."""

    def __init__(self, path: Path):
        self.path = path
        self._library = ctypes.CDLL(str(path))
        self._library.stub_log.restype = ctypes.c_char_p

    def fail(self, name: str, code: int, times: int = 1) -> None:
        """Let the next calls of a function return an error code."""
        self._library.stub_fail(name.encode("ascii"), code, times)

    def calls(self) -> list[str]:
        """Return the functions that were called since `clear`."""
        return self._library.stub_log().decode("ascii").split()

    def clear(self) -> None:
        """Forget calls and the last error."""
        self._library.cudaGetLastError()
        self._library.stub_clear_log()

    def alive(self) -> dict[str, int]:
        return {kind: self._library.stub_alive(number) for number, kind in enumerate(KINDS)}

    def set_free(self, size: int) -> None:
        self._library.stub_set_free(ctypes.c_size_t(size))

    @property
    def capturing(self) -> bool:
        return bool(self._library.stub_capturing())

    @property
    def last_error(self) -> int:
        return self._library.cudaPeekAtLastError()

    def on_launch(self, run: Any) -> Any:
        """Call a function for each launched graph; the result must be kept."""
        callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda stream: run())
        self._library.stub_on_launch(callback)
        return callback


def names_of(version: str) -> dict[str, set[str]]:
    """Return the names of each class of a version."""
    found: dict[str, set[str]] = {}
    with (HERE / "names.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row[version]:
                found.setdefault(row["class"], set()).add(row["name"])
    return found


NAMES = names_of("8.5")


class Strict:
    """A class of the module: it takes no name that 8.5 lacks, neither here nor from the code under test."""

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__:
            public = {name for name in vars(cls) if not name.startswith("_")}
            assert public <= NAMES[cls.__name__], public - NAMES[cls.__name__]

    def __setattr__(self, name: str, value: Any) -> None:
        known = next(NAMES[kind.__name__] for kind in type(self).__mro__ if kind.__name__ in NAMES)
        if not name.startswith("_") and type(self).__module__ == __name__ and name not in known:
            raise AttributeError(f"TensorRT 8.5: {type(self).__name__} has no {name}")
        object.__setattr__(self, name, value)


def make_enum(name: str) -> Any:
    return enum.IntEnum(name, {each: number for number, each in enumerate(sorted(NAMES[name] - {""}))})


class ILogger(Strict):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        pass


class IProfiler(Strict):
    def __init__(self) -> None:
        pass


class IInt8EntropyCalibrator2(Strict):
    def __init__(self) -> None:
        pass


class IInt8MinMaxCalibrator(Strict):
    def __init__(self) -> None:
        pass


class ITensor(Strict):
    def __init__(self, name: str, dtype: Any, shape: tuple[int, ...]):
        self.name, self.dtype, self.shape = name, dtype, shape


class INetworkDefinition(Strict):
    def __init__(self) -> None:
        self._inputs: list[ITensor] = []

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    def get_input(self, index: int) -> ITensor:
        return self._inputs[index]


class ParserError(Strict):
    def code(self) -> str:
        return "ErrorCode.INVALID_NODE"

    def node(self) -> int:
        return 7

    def desc(self) -> str:
        return "Assertion failed:\nthe zero point must be all zeros"


class IOptimizationProfile(Strict):
    def __init__(self) -> None:
        self._shapes: tuple[Any, ...] = ()

    def set_shape(self, name: str, *shapes: Any) -> None:
        self._shapes = shapes


class ITimingCache(Strict):
    def __init__(self, content: bytes):
        self._content = content

    def serialize(self) -> bytes:
        return b"TIMES" + self._content.removeprefix(b"TIMES")


class IBuilderConfig(Strict):
    int8_calibrator: Any = None
    default_device_type: Any = None
    DLA_core = -1

    def __init__(self) -> None:
        self._flags: set[Any] = {State.trt.BuilderFlag.TF32}
        self._profiles: list[IOptimizationProfile] = []
        self._calibration: IOptimizationProfile | None = None
        self._cache: ITimingCache | None = None

    def set_flag(self, flag: Any) -> None:
        self._flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        self._flags.discard(flag)

    def get_flag(self, flag: Any) -> bool:
        return flag in self._flags

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        State.limits[pool.name] = size

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        self._calibration = profile
        return True

    def create_timing_cache(self, content: bytes) -> ITimingCache | None:
        return ITimingCache(content) if content in (b"", b"TIMES") else None

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache is None:
            raise TypeError("set_timing_cache(): incompatible function arguments")
        self._cache = cache
        return True

    def get_timing_cache(self) -> ITimingCache | None:
        return self._cache


class OnnxParser(Strict):
    num_errors = 1

    def __init__(self, network: INetworkDefinition, log: ILogger):
        self._network = network

    def parse_from_file(self, path: str) -> bool:
        frames = State.trt.DataType[State.frames]
        shape = (1, -1, -1, 3) if State.frames == "UINT8" else (1, 3, -1, -1)
        self._network._inputs.append(ITensor("frame", frames, shape))
        return "parse" not in State.faults

    def get_error(self, index: int) -> ParserError:
        return ParserError()


class Builder(Strict):
    platform_has_fast_fp16 = platform_has_fast_int8 = True
    num_DLA_cores = 2  # noqa: N815 - NVIDIA's name

    def __init__(self, log: ILogger):
        State.take_log(log)

    def create_network(self, flags: int) -> INetworkDefinition:
        assert flags == 1 << State.trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        for text in State.warnings:
            State.say(ILogger.WARNING, text)
        if "build" in State.faults:
            State.say(ILogger.ERROR, "Requested amount of GPU memory could not be allocated: out of memory")
            return None
        shape = list(network.get_input(0).shape)
        shapes = [shape] * 3 if -1 not in shape else [list(s) for s in config._profiles[0]._shapes]
        if config.int8_calibrator is not None:
            # A network of several sizes can't be calibrated without a size.
            assert -1 not in shape or config._calibration is not None
            State.calibrated = calibrate(config.int8_calibrator)
        int8 = config.get_flag(State.trt.BuilderFlag.INT8)
        plan = {"shapes": shapes, "type": "Int8" if int8 else "FP32", "fixed": -1 not in shape}
        return json.dumps(plan).encode("ascii")


def calibrate(calibrator: Any) -> list[Any]:
    """Ask as TensorRT does; returns what the calibrator answered."""
    answers = [calibrator.get_batch_size(), calibrator.read_calibration_cache()]
    while (batch := calibrator.get_batch(["frame"])) is not None:
        answers.append(len(batch))
    calibrator.write_calibration_cache(memoryview(b"TRT-8502-EntropyCalibration2\nframe: 3c010a14\n"))
    return answers


class Runtime(Strict):
    def __init__(self, log: ILogger):
        State.take_log(log)

    def deserialize_cuda_engine(self, plan: bytes) -> "ICudaEngine | None":
        if "deserialize" in State.faults:
            State.say(
                ILogger.ERROR, "Serialization assertion plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed"
            )
            return None
        return ICudaEngine(json.loads(plan))


class ICudaEngine(Strict):
    num_io_tensors = 2
    device_memory_size = 1000

    def __init__(self, plan: dict[str, Any]):
        self._plan = plan

    def get_tensor_name(self, index: int) -> str:
        return ("frame", "upscaled")[index]

    def get_tensor_dtype(self, name: str) -> Any:
        return State.trt.DataType[State.frames]

    def create_execution_context(self) -> "IExecutionContext | None":
        return None if "context" in State.faults else IExecutionContext(self._plan)

    def create_engine_inspector(self) -> "EngineInspector":
        return EngineInspector(self._plan)


class EngineInspector(Strict):
    execution_context: Any = None

    def __init__(self, plan: dict[str, Any]):
        self._plan = plan

    def get_engine_information(self, format_: Any) -> str:
        assert format_ is State.trt.LayerInformationFormat.JSON
        told = self._plan["fixed"] or (self.execution_context is not None and self.execution_context._shape)
        kind = f"Row major linear {self._plan['type']} format" if told else UNTOLD
        end = {"Name": "t", "Format/Datatype": kind, "Dimensions": [1, 3, 4, 4]}
        layer = {"Name": "conv", "LayerType": "CaskConvolution", "ParameterType": "Convolution"}
        return json.dumps({"Layers": [{**layer, "Inputs": [end], "Outputs": [end]}] * 3})


class IExecutionContext(Strict):
    profiler: Any = None

    def __init__(self, plan: dict[str, Any]):
        self._plan = plan
        self._shape: tuple[int, ...] = ()
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        smallest, _, largest = self._plan["shapes"]
        if not all(low <= side <= high for low, side, high in zip(smallest, shape, largest, strict=True)):
            return False
        self._shape = tuple(shape)
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        library = State.library
        if library.last_error:
            State.say(ILogger.ERROR, f"Cuda error {library.last_error} from before")
            return False
        if library.capturing:
            State.recorded = library.on_launch(self._double)
            return "capture" not in State.faults
        self._double()
        if self.profiler is not None:
            self.profiler.report_layer_time("conv", 0.25)
        return True

    def _double(self) -> None:
        """Repeat the pixels of the frame; planes are left alone."""
        _, height, width, channels = self._shape
        count = height * width * channels
        frame = as_array(self._addresses["frame"], count).reshape(height, width, channels)
        result = as_array(self._addresses["upscaled"], 4 * count).reshape(2 * height, 2 * width, channels)
        result[...] = frame.repeat(2, axis=0).repeat(2, axis=1)


def as_array(address: int, size: int) -> np.ndarray:
    memory: Any = (ctypes.c_ubyte * size).from_address(address)
    return np.frombuffer(memory, np.uint8)


class State:
    """What the module and the test share; the log is the first one that was given, as in TensorRT."""

    library: Library
    trt: Any
    faults: set[str]
    warnings: list[str]
    limits: dict[str, int]
    frames = "UINT8"
    log: Any = None
    calibrated: Any = None
    recorded: Any = None

    @classmethod
    def take_log(cls, log: Any) -> None:
        cls.log = cls.log or log

    @classmethod
    def say(cls, severity: int, text: str) -> None:
        cls.log.log(severity, text)


def make_module(library: Library) -> Any:
    """Return a new module `tensorrt` over the library, without faults."""
    classes = {kind.__name__: kind for kind in Strict.__subclasses__() if kind.__module__ == __name__}
    enums = ("BuilderFlag", "NetworkDefinitionCreationFlag", "MemoryPoolType", "ProfilingVerbosity")
    enums += ("DeviceType", "DataType", "LayerInformationFormat")
    module = SimpleNamespace(
        __name__="tensorrt", __version__="8.5.2.2", **classes, **{name: make_enum(name) for name in enums}
    )
    State.library, State.trt, State.faults, State.warnings, State.limits = library, module, set(), [], {}
    State.frames, State.log, State.calibrated = "UINT8", None, None
    return module
