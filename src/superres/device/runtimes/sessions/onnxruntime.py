"""Optimise and run graphs in ONNX Runtime, and read its profile."""

import json
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,
    RuntimeException,
)

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.base import WARMUP_RUNS, LayerTime, Settings
from superres.device.runtimes.sessions.bound import BoundSession, block_channels

_KERNEL_TIME = "_kernel_time"
_PROVIDER = "CPUExecutionProvider"
# Ways to say that there is no kernel for an operator, or no operator of that name.
_LACKING = re.compile(
    r"Could not find an implementation for ([\w.]+)|: ([\w.:]+)\(-?\d+\) is not a registered"
    r"|No Op registered for (\w+)"
)
_INPUT_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}


def optimize(model: Path, engine: Path, settings: Settings) -> Dict[str, Any]:
    """Write an ONNX file, optimised for this processor; returns facts for the engine's record.

    The file gives the same bits and speed as the original optimised on opening (measured), but can be
    inspected and opens faster.
    """
    options = _session_options(settings)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(engine)
    session = _open_session(model, options)
    _check_input(model, session, settings.frames)
    facts = _count_convolutions(engine)
    if settings.precision.startswith("int8-") and not facts["int8_convolutions"]:
        raise UnsupportedError(f"onnxruntime {ort.__version__} runs no convolution of this graph in INT8")
    return facts


class OnnxruntimeSession(BoundSession):
    """An ONNX graph with frames or planes in and out."""

    def __init__(self, engine: Path, settings: Settings, profile: Optional[Path] = None):
        self._engine, self._settings = engine, settings
        options = _session_options(settings)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        self._session = _open_session(engine, options)
        output = self._session.get_outputs()[0]
        super().__init__(settings, block_channels(output.shape) if settings.frames == "uint8" else 0)
        self._output_name = output.name

    def bind(self, inputs: np.ndarray, outputs: np.ndarray) -> None:
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input("frame", inputs)
        self._binding.bind_output(
            self._output_name, "cpu", 0, outputs.dtype, outputs.shape, outputs.ctypes.data
        )

    def infer(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def profile(self, frame: np.ndarray, runs: int) -> List[LayerTime]:
        with tempfile.TemporaryDirectory(prefix="superres-") as folder:
            counting = OnnxruntimeSession(self._engine, self._settings, Path(folder, "profile"))
            for _ in range(WARMUP_RUNS + runs):
                counting.run(frame)
            written = Path(counting._session.end_profiling())
            return read_profile(json.loads(written.read_text(encoding="utf-8")))


def read_profile(events: Sequence[Mapping[str, Any]]) -> List[LayerTime]:
    """Return the layers' times in ONNX Runtime's profile, without the first `WARMUP_RUNS` runs.

    Multiply-adds are unknown: weights that a kernel has packed are no longer its input.
    """
    times, seen = [], Counter()
    for event in events:
        name = event["name"]
        if event.get("cat") != "Node" or not name.endswith(_KERNEL_TIME):
            continue
        layer, details = name[: -len(_KERNEL_TIME)], event["args"]
        run = seen[layer] - WARMUP_RUNS
        seen[layer] += 1
        if run >= 0:
            first = next(iter(details["input_type_shape"]), {})
            kind = details["op_name"]
            (data_type, shape), *_ = [*first.items(), ("", [])]
            macs = None if "Conv" in kind else 0
            times.append(
                LayerTime(run, layer, kind, data_type, tuple(shape), macs, (layer,), event["dur"] / 1000)
            )
    return times


def _session_options(settings: Settings) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # Level 2 warns that an optimised file belongs to one processor, which is intended.
    options.log_severity_level = 3
    # Spinning threads slow down what runs between two frames, such as sessions timed in turn: 85 ms
    # instead of 50. Alone, a session is as fast without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if settings.options.get("simulated"):
        # If a convolution reads and writes INT8 tensors, onnxruntime would quantise float weights too.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options


def _open_session(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(str(path), options, providers=[_PROVIDER])
    except (InvalidProtobuf, InvalidGraph, NoSuchFile, Fail, NotImplemented) as error:
        reason = str(error).splitlines()[0]
        if lacking := _LACKING.search(reason):
            operator = next(filter(None, lacking.groups()))
            raise UnsupportedError(
                f"onnxruntime {ort.__version__} lacks the operator {operator} of this graph"
            ) from error
        raise UserError(f"{path}: expected an ONNX file that onnxruntime reads, found: {reason}") from error
    except RuntimeException as error:
        # 1.19 turns a cubic Resize between uint8 frames into one that it doesn't have.
        reason = str(error).splitlines()[0].rpartition(" : ")[2]
        raise UnsupportedError(
            f"onnxruntime {ort.__version__} can't run this graph ({reason}); "
            "a newer one may, or frames: float32"
        ) from error


def _check_input(model: Path, session: ort.InferenceSession, frames: str) -> None:
    found = [(node.name, node.type) for node in session.get_inputs()]
    if found != [("frame", _INPUT_TYPES[frames])]:
        raise UserError(f"{model}: expected one {frames} input named 'frame', found {found}; export it again")


def _count_convolutions(engine: Path) -> Dict[str, Any]:
    """Count INT8 and float convolutions in an optimised file, by their operator types.

    It works without the package `onnx`: a node's operator type is field 4 of its message, that is, a tag,
    a length and the name.
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
