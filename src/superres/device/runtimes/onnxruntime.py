"""ONNX Runtime on the CPU: fp32 and Q/DQ INT8 graphs, frames converted in numpy."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile

from superres.device.errors import UnsupportedError, UserError
from superres.device.pixels import to_pixels, to_planes
from superres.device.runtimes.base import Session, Settings

_PROVIDER = "CPUExecutionProvider"


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Write the model as ONNX Runtime optimises it for this processor; see `base.Runtime`.

    Measured, such a file gives the same bits as the original optimised on opening, and runs as fast;
    but it can be looked at, and opening it is quicker.
    """
    if settings.precision != "fp32" and not settings.precision.startswith("int8-"):
        raise UnsupportedError(
            f"onnxruntime has no fast {settings.precision} on a CPU; it runs fp32 and int8"
        )
    if model is None:
        raise UserError("onnxruntime: expected an ONNX file as model, found none")
    options = _session_options(settings)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(engine)
    session = _open_session(model, options)
    _check_input(model, session)
    facts = _count_convolutions(engine)
    if settings.precision.startswith("int8-") and not facts["int8_convolutions"]:
        raise UnsupportedError(f"onnxruntime {ort.__version__} runs no convolution of this graph in INT8")
    return facts


def open_engine(engine: Path, settings: Settings) -> "OnnxruntimeSession":
    """Open the engine; see `base.Runtime`."""
    options = _session_options(settings)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return OnnxruntimeSession(_open_session(engine, options), settings.threads)


def versions() -> Dict[str, str]:
    """Version of ONNX Runtime."""
    return {"onnxruntime": ort.__version__}


class OnnxruntimeSession(Session):
    """An ONNX graph with float32 planes in and out; both are allocated once for each frame size."""

    def __init__(self, session: ort.InferenceSession, threads: int):
        self._session = session
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._output_name = session.get_outputs()[0].name
        self._size: Tuple[int, int] = (0, 0)

    def _allocate(self, size: Tuple[int, int]) -> None:
        height, width = self._size = size
        self._planes = np.empty((1, 3, height, width), np.float32)
        self._upscaled = np.empty((1, 3, 2 * height, 2 * width), np.float32)
        self._frame = np.empty((2 * height, 2 * width, 3), np.uint8)
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input("frame", self._planes)
        # Bound, the output lies in memory that is there already: no 25 MB of page faults in each run.
        self._binding.bind_output(
            self._output_name, "cpu", 0, np.float32, self._upscaled.shape, self._upscaled.ctypes.data
        )

    def preprocess(self, frame: np.ndarray) -> Any:
        if frame.shape[:2] != self._size:
            self._allocate((frame.shape[0], frame.shape[1]))
        to_planes(frame, self._planes)
        return self._binding

    def execute(self, inputs: Any) -> np.ndarray:
        self._session.run_with_iobinding(inputs)
        return self._upscaled

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        to_pixels(outputs, self._frame, self._pool, self._threads)
        return self._frame


def _session_options(settings: Settings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # Level 2 warns that an optimised file belongs to one processor, which is what an engine is.
    options.log_severity_level = 3
    return options


def _open_session(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(str(path), options, providers=[_PROVIDER])
    except (InvalidProtobuf, InvalidGraph, NoSuchFile, Fail) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: expected an ONNX file that onnxruntime reads, found: {reason}") from error


def _check_input(model: Path, session: ort.InferenceSession) -> None:
    found = [(node.name, node.type) for node in session.get_inputs()]
    if found != [("frame", "tensor(float)")]:
        raise UserError(f"{model}: expected one float32 input named 'frame', found {found}; export it again")


def _count_convolutions(engine: Path) -> Dict[str, Any]:
    """Count INT8 and float convolutions in an optimised file, by their operator types.

    The package `onnx` need not be there: a node's operator type is field 4 of its message, so its bytes are
    a tag, a length and the name.
    """
    content = engine.read_bytes()
    counts = {
        name: content.count(b"\x22" + bytes([len(name)]) + name.encode("ascii"))
        for name in ("Conv", "FusedConv", "QLinearConv", "ConvInteger")
    }
    return {
        "int8_convolutions": counts["QLinearConv"] + counts["ConvInteger"],
        "float_convolutions": counts["Conv"] + counts["FusedConv"],
    }
