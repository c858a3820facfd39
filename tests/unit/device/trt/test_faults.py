"""The runtime over stand-ins for TensorRT 8.5 and the CUDA runtime: refusals, memory, order, and the end.

What TensorRT-RTX shows without a GPU, test_tensorrt_engines.py shows with TensorRT-RTX.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.runtimes import tensorrt
from superres.device.runtimes.base import Settings
from superres.device.runtimes.trt import cuda, library
from superres.device.runtimes.trt.session import create_context

from . import standin
from .standin import Library, State, build_library, make_module

ONE = {"smallest": [4, 6], "tuned": [4, 6], "largest": [4, 6]}
SEVERAL = {"smallest": [2, 2], "tuned": [4, 6], "largest": [8, 8]}
FRAME = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Library:
    return Library(build_library(tmp_path_factory.mktemp("cudart")))


@pytest.fixture
def stub(built: Library, monkeypatch, tmp_path) -> Iterator[Library]:
    """The stand-ins in the place of TensorRT and CUDA; at the end nothing of theirs may be alive."""
    module = make_module(built)
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(cuda, "DRIVER", str(built.path))
    monkeypatch.setattr(cuda, "_candidates", lambda: iter([str(built.path)]))
    monkeypatch.setattr(library, "_LOGS", {})
    monkeypatch.setenv("SUPERRES_CACHE", str(tmp_path / "cache"))
    built.fail("", 0, 0)
    built.clear()
    yield built
    gc.collect()
    assert set(built.alive().values()) == {0}, built.alive()


def settings(precision: str = "fp32", sizes: Any = ONE, **options: Any) -> Settings:
    return Settings(precision, 1, {"frames": "uint8", "sizes": sizes, "build": {}, **options})


def build(folder: Path, chosen: Settings) -> dict[str, Any]:
    (folder / "model.onnx").write_bytes(b"a model")
    return tensorrt.build(folder / "model.onnx", folder / "engine.bin", chosen)


def open_session(folder: Path, chosen: Settings | None = None) -> Any:
    chosen = chosen or settings()
    facts = build(folder, chosen)
    return tensorrt.open_engine(folder / "engine.bin", replace(chosen, facts=facts))


def doubled(frame: np.ndarray) -> np.ndarray:
    return frame.repeat(2, axis=0).repeat(2, axis=1)


def test_an_engine_of_one_size_has_fixed_shapes_and_known_types(stub, tmp_path):
    facts = build(tmp_path, settings("int8-minmax"))
    assert facts["fixed_shapes"] is True and facts["convolutions"] == {"Int8": 3}
    assert json.loads((tmp_path / "engine.bin").read_bytes())["shapes"] == [[1, 4, 6, 3]] * 3
    assert facts["device"] == {"name": "Xavier", "compute_capability": "7.2"}
    assert facts["flags"] == ["INT8"]


def test_types_of_an_engine_of_several_sizes_come_with_a_context(stub, tmp_path):
    facts = build(tmp_path, settings("int8-minmax", SEVERAL))
    assert facts["fixed_shapes"] is False and facts["convolutions"] == {"Int8": 3}
    State.faults.add("context")
    # Without memory for a context they are unknown, which is no reason to refuse the engine.
    assert build(tmp_path, settings("int8-minmax", SEVERAL))["convolutions"] == {"unknown": 3}


def test_a_frame_takes_these_calls_in_this_order(stub, tmp_path):
    session = open_session(tmp_path)
    session.run(FRAME)
    stub.clear()
    np.testing.assert_array_equal(session.run(FRAME), doubled(FRAME))
    assert stub.calls() == [
        "upload",
        "cudaStreamSynchronize",
        "cudaEventRecord",
        "cudaGraphLaunch",
        "cudaEventRecord",
        "cudaStreamSynchronize",
        "download",
        "cudaStreamSynchronize",
    ]
    assert session.device_ms() == 1.5 and session.facts() == {"cuda_graph": True}
    assert stub.alive()["graphs"] == 0 and stub.alive()["recorded"] == 1


REFUSALS = {
    "TensorRT refuses": ("capture", ()),
    "the capture is invalidated": ("", ("cudaStreamEndCapture", 901)),
    "it ends with an error, and a graph": ("", ("cudaStreamEndCapture", 900)),
    "no memory for the graph": ("", ("cudaGraphInstantiateWithFlags", 2)),
    "the graph can't be made": ("", ("cudaGraphInstantiateWithFlags", 1)),
}


@pytest.mark.parametrize(("fault", "failing"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refused_graph_leaves_nothing_behind_and_frames_go_on(fault, failing, stub, tmp_path):
    session = open_session(tmp_path)
    State.faults |= {fault} - {""}
    if failing:
        stub.fail(*failing)
    for _ in range(2):
        np.testing.assert_array_equal(session.run(FRAME), doubled(FRAME))
    assert session.facts() == {"cuda_graph": False}
    assert stub.last_error == 0 and not stub.capturing
    assert stub.alive()["graphs"] == stub.alive()["recorded"] == 0
    assert "cudaGetLastError" in stub.calls()


def test_another_size_replaces_memory_and_graph(stub, tmp_path):
    session = open_session(tmp_path, settings(sizes=SEVERAL))
    for shape in ((4, 6, 3), (8, 2, 3), (4, 6, 3)):
        frame = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        np.testing.assert_array_equal(session.run(frame), doubled(frame))
    gc.collect()
    assert {"memory": 2, "recorded": 1}.items() <= stub.alive().items()
    with pytest.raises(
        UserError, match=r"frames from \(2, 2\) to \(8, 8\).*found \(9, 6\); build the engine"
    ):
        session.run(np.zeros((9, 6, 3), np.uint8))


def test_too_little_memory_for_a_context_is_said(stub, tmp_path):
    facts = build(tmp_path, settings())
    State.faults.add("context")
    with pytest.raises(
        UserError, match=r"engine\.bin: expected more free memory .* scratch memory of 0\.0 MB"
    ):
        tensorrt.open_engine(tmp_path / "engine.bin", replace(settings(), facts=facts))


@pytest.mark.parametrize("name", ["cudaMalloc", "cudaHostAlloc"])
def test_too_little_memory_for_a_frame_is_said(name, stub, tmp_path):
    session = open_session(tmp_path)
    stub.fail(name, 2)
    with pytest.raises(UserError, match=rf"expected more free memory \({name}: error 2"):
        session.run(FRAME)


def test_memory_is_the_engines_whatever_else_runs(stub, tmp_path):
    session = open_session(tmp_path)
    session.run(FRAME)
    stub.set_free(1 << 20)
    # The plan, TensorRT's 1000 bytes, a frame and an upscaled one.
    assert session.device_memory_bytes() == (tmp_path / "engine.bin").stat().st_size + 1000 + 72 + 288


def test_the_second_engine_of_a_process_has_its_own_reason(stub, tmp_path):
    session = open_session(tmp_path)
    State.faults.add("deserialize")
    with pytest.raises(UserError, match=r"can't open the engine: Serialization assertion .* build it again"):
        tensorrt.open_engine(tmp_path / "engine.bin", replace(settings(), facts=session_facts(tmp_path)))
    np.testing.assert_array_equal(session.run(FRAME), doubled(FRAME))


def session_facts(folder: Path) -> dict[str, Any]:
    device = {"name": "Xavier", "compute_capability": "7.2"}
    return {"module": "tensorrt", "version": "8.5.2.2", "device": device}


def test_kernels_that_were_skipped_for_memory_are_counted(stub, tmp_path):
    stub.set_free(216 << 20)
    State.warnings = [
        "Tactic Device request: 414MB Available: 216MB. Device memory is insufficient to use tactic.",
        "Skipping tactic 3 due to insufficient memory on requested size of 414 detected for tactic 4.",
        "Tactic Device request: 500MB Available: 216MB. Device memory is insufficient to use tactic.",
        "Skipping tactic 5 due to insufficient memory on requested size of 500 detected for tactic 60.",
        "Some other warning",
    ]
    memory = build(tmp_path, settings())["memory"]
    assert memory["skipped_kernels"] == 2 and memory["device_free_bytes"] == 216 << 20
    assert memory["available_bytes"] > 0
    State.warnings = []
    assert build(tmp_path, settings())["memory"]["skipped_kernels"] == 0


def test_the_workspace_is_a_setting(stub, tmp_path):
    build(tmp_path, settings(build={"workspace_mib": 32}))
    assert State.limits == {"WORKSPACE": 32 << 20}


def test_a_build_without_memory_says_what_to_do(stub, tmp_path):
    State.faults.add("build")
    with pytest.raises(
        UserError, match=r"builds no engine .*out of memory; end what else runs on the device"
    ):
        build(tmp_path, settings())
    assert not (tmp_path / "engine.bin").exists()


def test_a_parser_without_names_of_nodes_gives_their_number(stub, tmp_path):
    State.faults.add("parse")
    with pytest.raises(
        UserError, match=r"8\.5\.2\.2 refuses it: node 7: Assertion failed: the zero point must"
    ):
        build(tmp_path, settings())


@pytest.mark.parametrize("content", [b"TIMES", b"of another version"])
def test_a_timing_cache_that_can_not_be_read_is_replaced(content, stub, tmp_path):
    build(tmp_path, settings())
    (cache,) = (tmp_path / "cache").glob("timing-*.cache")
    cache.write_bytes(content)
    build(tmp_path, settings())
    assert cache.read_bytes() == b"TIMES"


@pytest.mark.parametrize(("height", "fixed"), [(4, True), (8, False)])
def test_images_of_the_frames_size_are_calibrated_on_with_fixed_shapes(height, fixed, stub, tmp_path):
    State.frames = "FLOAT"
    data = {"type": "random", "kind": "uniform", "seed": 0, "images": 2, "height": height, "width": 6}
    chosen = settings("int8-trt-dummy", calibration={"method": "entropy", "data": data}, frames="float32")
    facts = build(tmp_path, chosen)
    assert facts["fixed_shapes"] is fixed
    # One image a batch, no cache yet, and two batches with one address each.
    assert State.calibrated == [1, None, 1, 1]
    assert facts["calibration"]["images"] == 2 and facts["calibration"]["cache"].startswith("TRT-8502")
    build(tmp_path, chosen)
    assert State.calibrated[1].startswith(b"TRT-8502")


def test_layers_are_timed_without_the_graph(stub, tmp_path):
    times = open_session(tmp_path, settings("int8-minmax")).profile(FRAME, 2)
    assert [(time.run, time.layer, time.type, time.ms) for time in times] == [
        (0, "conv", "Int8", 0.25),
        (1, "conv", "Int8", 0.25),
    ]


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import standin
from superres.device.runtimes.trt import cuda
built = standin.Library(Path(sys.argv[2]))
sys.modules["tensorrt"] = standin.make_module(built)
cuda.DRIVER = sys.argv[2]
cuda._candidates = lambda: iter([sys.argv[2]])
from dataclasses import replace
import numpy as np
from superres.device.runtimes import tensorrt
from superres.device.runtimes.base import Settings
folder, size = Path(sys.argv[3]), [4, 6]
sizes = dict.fromkeys(("smallest", "tuned", "largest"), size)
chosen = Settings("fp32", 1, {"frames": "uint8", "sizes": sizes, "build": {}})
(folder / "model.onnx").write_bytes(b"a model")
facts = tensorrt.build(folder / "model.onnx", folder / "engine.bin", chosen)
session = tensorrt.open_engine(folder / "engine.bin", replace(chosen, facts=facts))
upscaled = session.run(np.zeros((4, 6, 3), np.uint8))
assert built.alive()["streams"] == 1 and built.alive()["recorded"] == 1
"""


def test_everything_is_freed_when_the_process_ends(built, tmp_path):
    report = tmp_path / "alive"
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(Path(standin.__file__).parent),
        str(built.path),
        str(tmp_path),
    ]
    environment = {**os.environ, "STUB_REPORT": str(report), "SUPERRES_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert report.read_text().split()[1::2] == ["0"] * len(standin.KINDS)


class RtxEngine:
    """What TensorRT-RTX asks for before a graph can be recorded, beside the stand-in's engine."""

    device_memory_size_v2 = 4096

    def __init__(self) -> None:
        self.config = SimpleNamespace(set_execution_context_allocation_strategy=self._set_strategy)
        self.memory: tuple[int, int] = (0, 0)

    def _set_strategy(self, strategy: Any) -> None:
        self.strategy = strategy

    def create_runtime_config(self) -> Any:
        return self.config

    def create_execution_context(self, config: Any) -> Any:
        assert config is self.config
        return SimpleNamespace(set_device_memory=self._set_memory)

    def _set_memory(self, address: int, size: int) -> None:
        self.memory = (address, size)


def test_tensorrt_rtx_gets_its_memory_and_its_final_kernels(stub):
    rtx = pytest.importorskip("tensorrt_rtx")
    engine: Any = RtxEngine()
    context, memory = create_context(rtx, engine, cuda.Cuda(), "engine.bin")
    assert context is not None and memory is not None
    assert engine.memory == (memory.address, 4096) and stub.alive()["memory"] == 1
    assert engine.strategy == rtx.ExecutionContextAllocationStrategy.USER_MANAGED
    wanted = rtx.DynamicShapesKernelSpecializationStrategy.EAGER
    assert engine.config.dynamic_shapes_kernel_specialization_strategy == wanted


def test_a_context_that_can_not_be_captured_is_not_asked_to_be(stub, tmp_path, monkeypatch):
    asked: list[int] = []

    def is_stream_capturable(context: Any, stream: int) -> bool:
        asked.append(stream)
        return False

    monkeypatch.setattr(
        standin.IExecutionContext, "is_stream_capturable", is_stream_capturable, raising=False
    )
    session = open_session(tmp_path)
    np.testing.assert_array_equal(session.run(FRAME), doubled(FRAME))
    assert asked == [session._stream.handle] and session.facts() == {"cuda_graph": False}
    assert "cudaStreamBeginCapture" not in stub.calls()
