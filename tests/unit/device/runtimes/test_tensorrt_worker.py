"""Arms of TensorRT through the worker: built, run if there is a GPU, and reported if not."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from superres.device.job import Job
from superres.device.runtimes.trt.cuda import has_driver
from superres.device.tasks.engine import frame_sizes
from superres.device.tasks.worker import run_job
from superres.models.graphs.fp16 import convert_fp16
from superres.models.graphs.uint8.casts import write_casts

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is made for x86-64 Linux and Windows only")
without_driver = pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")


@dataclass(frozen=True)
class RtxArm:
    """An arm of the small network on a clip of three frames in two sizes."""

    folder: Path
    runtime: str
    precision: str
    model: Path
    options: dict[str, Any]

    def job(self, task: str, output: str, inputs: dict[str, Path], **settings: Any) -> Job:
        outputs = {output: str(self.folder / f"{output}.out"), "record": str(self.folder / f"{output}.json")}
        files = {name: str(path) for name, path in inputs.items()}
        settings["options"] = self.options
        return Job(task, self.runtime, self.precision, 1, files, outputs, settings, "an arm")

    def build(self) -> Job:
        sizes = frame_sizes([self.folder / "c.json"])
        return self.job("build_engine", "engine", {"model": self.model}, sizes=sizes)

    def profile(self) -> Job:
        inputs = {"engine": "engine.out", "engine_record": "engine.json", "lr": "c.x2.npy", "clip": "c.json"}
        return self.job("measure_profile", "profile", {n: self.folder / f for n, f in inputs.items()}, runs=3)

    def record(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / f"{name}.json").read_text())


@pytest.fixture
def make_arm(tiny_arm, exported, tmp_path) -> Callable[[str, str], RtxArm]:
    def make(runtime: str, precision: str) -> RtxArm:
        folder = tiny_arm("opencv", "uint8").folder
        source = exported.int8 if precision.startswith("int8-") else exported.fp32
        if precision == "fp16":
            convert_fp16(source, tmp_path / "fp16.onnx")
            source = tmp_path / "fp16.onnx"
        write_casts(source, tmp_path / "model.onnx")
        return RtxArm(folder, runtime, precision, tmp_path / "model.onnx", {"frames": "uint8", "build": {}})

    return make


def test_sizes_are_those_of_the_clips_frames(tiny_arm, tmp_path):
    folder = tiny_arm("opencv", "uint8").folder
    assert frame_sizes([folder / "c.json"]) == {"smallest": [10, 14], "tuned": [12, 16], "largest": [12, 16]}
    other = {"name": "d", "names": ["a"] * 3, "hr_shapes": [[2, 80]] * 3}
    (tmp_path / "d.json").write_text(json.dumps(other))
    sizes = frame_sizes([folder / "c.json", tmp_path / "d.json"])
    # Each clip has one vote, however many frames; of equal ones the largest wins.
    assert sizes == {"smallest": [1, 14], "tuned": [12, 16], "largest": [12, 40]}
    assert frame_sizes([tmp_path / "d.json"], [[1, 40], [12, 16]])["tuned"] == [1, 40]
    assert frame_sizes([tmp_path / "d.json"], scale=1)["largest"] == [2, 80]
    assert frame_sizes([], [[5, 6]]) == {"smallest": [5, 6], "tuned": [5, 6], "largest": [5, 6]}


@pytest.mark.parametrize(
    ("precision", "kind"), [("fp32", "Float"), ("fp16", "Half"), ("int8-minmax", "Int8")]
)
def test_an_engine_of_rtx_is_built_here(precision, kind, make_arm):
    arm = make_arm("tensorrt_rtx", precision)
    run_job(arm.build())
    record = arm.record("engine")
    assert record["status"] == "ok"
    assert record["facts"]["convolutions"] == {kind: 3}
    assert record["facts"]["sizes"]["smallest"] == [10, 14]
    assert record["versions"] == {"tensorrt_rtx": record["facts"]["version"]}
    assert (arm.folder / "engine.out").stat().st_size == record["engine_bytes"] > 10_000


@without_driver
@pytest.mark.parametrize(
    ("runtime", "status"),
    [
        ("tensorrt_rtx", "not run: built, not run: needs a CUDA device: found no NVIDIA driver"),
        ("tensorrt", "not run: needs a CUDA device: found no NVIDIA driver"),
    ],
)
def test_without_a_gpu_the_arm_says_so(runtime, status, make_arm):
    arm = make_arm(runtime, "fp32")
    run_job(arm.build())
    run_job(arm.profile())
    assert arm.record("profile")["status"].startswith(status)
    assert (arm.folder / "profile.out").read_text() == "run,layer,kind,type,shape,macs,nodes,ms\n"


# Largest difference from unrounded float64 levels: half a level is rounding itself, fp16 has 11 bits.
TOLERANCES = [("fp32", 0.51), ("fp16", 1.0)]


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", ["tensorrt", "tensorrt_rtx"])
@pytest.mark.parametrize(("precision", "tolerance"), TOLERANCES)
def test_frames_are_those_of_the_network(runtime, precision, tolerance, make_arm, exported):
    arm, session = open_session(runtime, precision, make_arm)
    for frame in lr_frames(arm.folder):
        planes = torch.tensor(frame.astype(np.float64) / 255).permute(2, 0, 1)[None]
        with torch.no_grad():
            levels = 255 * exported.network.double()(planes)[0].permute(1, 2, 0).numpy()
        exported.network.float()
        assert np.abs(session.run(frame) - levels).max() <= tolerance


@pytest.mark.gpu
@pytest.mark.parametrize("runtime", ["tensorrt", "tensorrt_rtx"])
def test_int8_is_not_far_from_the_network_and_its_layers_are_timed(runtime, make_arm, exported):
    arm, session = open_session(runtime, "int8-minmax", make_arm)
    assert set(arm.record("engine")["facts"]["convolutions"]) == {"Int8"}
    step = 255 * exported.ranges[-1] / 127
    for frame in lr_frames(arm.folder):
        planes = torch.tensor(frame.astype(np.float32) / 255).permute(2, 0, 1)[None]
        with torch.no_grad():
            levels = 255 * exported.network(planes)[0].permute(1, 2, 0).numpy()
        assert np.abs(session.run(frame) - levels).mean() < 4 * step
    run_job(arm.profile())
    with (arm.folder / "profile.out").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"0", "1", "2"}
    assert all(float(row["ms"]) >= 0 for row in rows) and any("Conv" in row["nodes"] for row in rows)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["entropy", "minmax"])
def test_ranges_of_its_own_give_an_int8_engine(method, make_arm, exported, monkeypatch, tmp_path):
    needs_gpu("tensorrt")
    import tensorrt

    if not hasattr(tensorrt, "IInt8EntropyCalibrator2"):
        pytest.skip(f"TensorRT {tensorrt.__version__} finds no ranges itself")
    monkeypatch.setenv("SUPERRES_CACHE", str(tmp_path / "cache"))
    arm = replace(make_arm("tensorrt", "int8-trt-dummy"), model=exported.fp32)
    arm = replace(arm, options={"frames": "float32", "build": {}})
    data = {"type": "random", "kind": "uniform", "seed": 0, "images": 1, "height": 12, "width": 16}
    calibration = {"method": method, "data": data}
    for reused in (False, True):
        sizes = frame_sizes([arm.folder / "c.json"])
        run_job(arm.job("build_engine", "engine", {"model": arm.model}, sizes=sizes, calibration=calibration))
        facts = arm.record("engine")["facts"]
        assert facts["calibration"]["reused"] is reused
        assert facts["calibration"]["cache"].startswith("TRT-")


def needs_gpu(runtime: str) -> None:
    if not has_driver():
        pytest.skip("this machine has no NVIDIA driver")
    if not hasattr(pytest.importorskip(runtime), "Builder"):
        pytest.skip(f"only the types of {runtime} are installed")


def open_session(runtime: str, precision: str, make_arm: Any) -> tuple[RtxArm, Any]:
    from superres.device.runtimes import load_runtime
    from superres.device.runtimes.base import Settings

    needs_gpu(runtime)
    arm = make_arm(runtime, precision)
    run_job(arm.build())
    facts = arm.record("engine")["facts"]
    settings = Settings(precision, 1, arm.options, facts)
    return arm, load_runtime(runtime).open_engine(arm.folder / "engine.out", settings)


def lr_frames(folder: Path) -> list[np.ndarray]:
    index = json.loads((folder / "c.json").read_text())
    pixels = np.load(folder / "c.x2.npy")
    frames, start = [], 0
    for height, width in ((high // 2, wide // 2) for high, wide in index["hr_shapes"]):
        frames.append(pixels[start : start + 3 * height * width].reshape(height, width, 3))
        start += 3 * height * width
    return frames
