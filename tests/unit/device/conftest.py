"""A small real network in every form that a runtime reads, and a tiny clip."""

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from superres.device.job import Job
from superres.device.runtimes import RUNTIMES, about
from superres.models.graphs.uint8.forms import form_of, write_form

ENDINGS = (("engine", "bin"), ("record", "json"))


class Network(torch.nn.Module):
    """Convolution, ReLU, twice, convolution, DepthToSpace, clip: a small ESPCN_RGB of the paper."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 5, padding=2)
        self.second = torch.nn.Conv2d(16, 16, 3, padding=1)
        self.third = torch.nn.Conv2d(16, 12, 3, padding=1)

    @property
    def convolutions(self) -> list[torch.nn.Conv2d]:
        return [self.first, self.second, self.third]

    def activations(self, frame: torch.Tensor) -> list[torch.Tensor]:
        """The input of the first convolution, and the output of each."""
        first = self.first(frame)
        second = self.second(torch.relu(first))
        return [frame, first, second, self.third(torch.relu(second))]

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        upscaled = torch.nn.functional.pixel_shuffle(self.activations(frame)[-1], 2)
        return upscaled.clamp(0, 1)


@dataclass(frozen=True)
class Exported:
    """A network, the files that were exported from it, and the largest activations of the int8 one."""

    network: Network
    ranges: list[float]
    fp32: Path
    int8: Path
    program: Path

    def model(self, runtime: str, precision: str = "fp32", frames: str = "uint8") -> Path | None:
        """The file that a runtime builds its engine from."""
        source = about(runtime).source if runtime in RUNTIMES else "none"
        if source != "onnx":
            return self.program if source == "program" else None
        onnx_file = self.int8 if precision.startswith("int8-") else self.fp32
        folded = runtime == "onnxruntime" and frames == "uint8"
        return onnx_file.with_suffix(".uint8.onnx") if folded else onnx_file


class GraphBuilder:
    """Collects nodes and constants of an ONNX graph."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def quantized(self, x: str, scale: float) -> str:
        """QuantizeLinear and DequantizeLinear, symmetric int8."""
        pair = [self.constant(f"{x}_s", np.float32(scale)), self.constant(f"{x}_z", np.int8(0))]
        self.add("QuantizeLinear", [x, *pair], f"{x}_q")
        return self.add("DequantizeLinear", [f"{x}_q", *pair], f"{x}_dq")

    def weight(self, name: str, value: np.ndarray, quantize: bool) -> str:
        if not quantize:
            return self.constant(name, value)
        scale = (np.abs(value).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        levels = np.rint(value / scale[:, None, None, None]).astype(np.int8)
        inputs = [self.constant(name, levels), self.constant(f"{name}_s", scale)]
        inputs.append(self.constant(f"{name}_z", np.zeros(len(scale), np.int8)))
        return self.add("DequantizeLinear", inputs, f"{name}_dq", axis=0)


def export_onnx(network: Network, path: Path, ranges: list[float] | None) -> None:
    """Write the network as opset 17; with `ranges` of the activations as a Q/DQ graph."""
    graph, x = GraphBuilder(), "frame"
    for i, convolution_name in enumerate(("first", "second", "third")):
        convolution = network.convolutions[i]
        if ranges:
            x = graph.quantized(x, ranges[i] / 127)
        weight = graph.weight(f"w{i}", convolution.weight.detach().numpy(), ranges is not None)
        bias = graph.constant(f"b{i}", network.get_parameter(f"{convolution_name}.bias").detach().numpy())
        size = convolution.kernel_size[0]
        x = graph.add("Conv", [x, weight, bias], f"c{i}", kernel_shape=[size] * 2, pads=[size // 2] * 4)
        if ranges:
            x = graph.quantized(x, ranges[i + 1] / 127)
        if i < 2:
            x = graph.add("Relu", [x], f"r{i}")
    x = graph.add("DepthToSpace", [x], "shuffled", blocksize=2, mode="CRD")
    limits = [graph.constant("low", np.float32(0)), graph.constant("high", np.float32(1))]
    graph.add("Clip", [x, *limits], "upscaled")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])
        for name, height, width in (("frame", "H", "W"), ("upscaled", "H2", "W2"))
    ]
    body = helper.make_graph(graph.nodes, "network", ends[:1], ends[1:], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Exported:
    """The network with fixed random weights, as ONNX in fp32 and int8, and as a PyTorch program."""
    folder = tmp_path_factory.mktemp("network")
    generator = torch.Generator().manual_seed(5)
    network = Network().eval()
    frame = torch.rand(1, 3, 32, 32, generator=generator)
    with torch.no_grad():
        for weights in network.parameters():
            fan_in = weights[0].numel() if weights.dim() > 1 else 25
            weights.copy_((torch.rand(weights.shape, generator=generator) - 0.5) * 4 / fan_in**0.5)
        # Most outputs lie within 0..1 and a few outside, which tests the clip.
        upscaled = network.activations(frame)[-1]
        network.third.weight *= 0.25 / upscaled.std(dim=(0, 2, 3))[:, None, None, None]
        network.get_parameter("third.bias").add_(0.5 - network.activations(frame)[-1].mean(dim=(0, 2, 3)))
        ranges = [float(x.abs().max()) for x in network.activations(frame)]
    files = Exported(network, ranges, folder / "fp32.onnx", folder / "int8.onnx", folder / "network.pt")
    export_onnx(network, files.fp32, None)
    export_onnx(network, files.int8, ranges)
    write_form(files.fp32, files.fp32.with_suffix(".uint8.onnx"), form_of("onnxruntime", "float"))
    write_form(files.int8, files.int8.with_suffix(".uint8.onnx"), form_of("onnxruntime", "int8"))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(network, frame), files.program)
    return files


@pytest.fixture
def frames() -> list[np.ndarray]:
    """Frames of different sizes, odd ones among them, read-only as those of a frame file."""
    rng = np.random.default_rng(3)
    found = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((24, 32), (17, 23), (24, 32))]
    for frame in found:
        frame.setflags(write=False)
    return found


@dataclass(frozen=True)
class TinyArm:
    """A clip of three tiny frames in two sizes and an arm's folder; makes the arm's jobs."""

    folder: Path
    runtime: str
    precision: str
    frames: str
    model: Path | None

    def path(self, name: str) -> Path:
        return self.folder / name

    def build_engine(self) -> Job:
        inputs = {} if self.model is None else {"model": str(self.model)}
        return self._job("build_engine", inputs, "engine", "engine.bin", {})

    def measure_quality(self, luma: str = "full-range", border: int = 0) -> Job:
        settings = {"luma": luma, "border": border}
        return self._job("measure_quality", self._inputs("hr", "lr"), "quality", "quality.csv", settings)

    def measure_latency(self) -> Job:
        settings = {"warmup_seconds": 0, "warmup_frames": 5, "warmup_tolerance": 0.05, "min_seconds": 0}
        settings |= {"min_iterations": 7, "max_seconds": 600, "block_seconds": 0, "rounds": 6}
        return self._job("measure_latency", self._inputs("lr"), "latency", "latency.csv", settings)

    def measure_latency_against(self, reference: "TinyArm") -> Job:
        """The same in turn with another arm, whose engine lies in a folder of its own."""
        job = self.measure_latency()
        engine = {f"reference_{name}": str(reference.path(f"engine.{end}")) for name, end in ENDINGS}
        named = {"label": "reference", "runtime": reference.runtime, "precision": reference.precision}
        settings = {**job.settings, "reference": {**named, "options": {"frames": reference.frames}}}
        return replace(job, inputs={**job.inputs, **engine}, settings=settings)

    def _inputs(self, *frames: str) -> dict[str, str]:
        names = {"engine": "engine.bin", "engine_record": "engine.json", "clip": "c.json"}
        names |= {name: f"c.{'x2' if name == 'lr' else name}.npy" for name in frames}
        return {name: str(self.path(file)) for name, file in names.items()}

    def _job(self, task: str, inputs: dict[str, str], output: str, file: str, settings: dict) -> Job:
        outputs = {output: str(self.path(file)), "record": str(self.path(file).with_suffix(".json"))}
        settings = {**settings, "options": {"frames": self.frames}}
        label = f"local/{self.runtime}/network/{self.precision}"
        return Job(task, self.runtime, self.precision, 2, inputs, outputs, settings, label)


@pytest.fixture
def tiny_arm(tmp_path, exported):
    """Makes a `TinyArm` of a runtime, a precision and what its engine takes."""
    lr_shapes = [(12, 16), (10, 14), (12, 16)]
    hr_shapes = [(2 * height, 2 * width) for height, width in lr_shapes]
    rng = np.random.default_rng(11)
    for kind, shapes in (("x2", lr_shapes), ("hr", hr_shapes)):
        pixels = [rng.integers(0, 256, height * width * 3, dtype=np.uint8) for height, width in shapes]
        np.save(tmp_path / f"c.{kind}.npy", np.concatenate(pixels))
    index = {"name": "c", "names": ["a", "b", "c"], "hr_shapes": hr_shapes}
    (tmp_path / "c.json").write_text(json.dumps(index))

    def make(runtime: str, precision: str, frames: str = "uint8") -> TinyArm:
        return TinyArm(tmp_path, runtime, precision, frames, exported.model(runtime, precision, frames))

    return make
