"""Frames on both sides of a graph: values against numpy in float64, and the file's contract."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from superres.device.base.errors import UserError
from superres.models.graphs.editor import frame_graph
from superres.models.graphs.onnx_file import save_onnx

SIZES = [(8, 12), (7, 5), (1, 1)]
RANDOM = np.random.default_rng(2)
# A 1 x 1 convolution whose results reach far below 0 and above 1.
WEIGHTS = RANDOM.uniform(-1.5, 1.5, (12, 3, 1, 1)).astype(np.float32)
BIAS = RANDOM.uniform(-0.3, 0.9, 12).astype(np.float32)
SHUFFLE = ("DepthToSpace", {"blocksize": 2, "mode": "CRD"})


def frame_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (1, height, width, 3), np.uint8)


def oracle(frame: np.ndarray, limits: tuple[float, float] | None, mode: str = "CRD") -> np.ndarray:
    """Unrounded levels, 2H x 2W x 3, in float64, pixel by pixel by the definition."""
    values = np.einsum("oi,hwi->hwo", WEIGHTS[:, :, 0, 0].astype(np.float64), frame[0] / 255.0) + BIAS
    height, width, _ = values.shape
    result = np.empty((2 * height, 2 * width, 3))
    for c in range(3):
        for i in range(2):
            for j in range(2):
                channel = 4 * c + 2 * i + j if mode == "CRD" else 6 * i + 3 * j + c
                result[i::2, j::2, c] = values[:, :, channel]
    if limits is not None:
        result = result.clip(*limits)
    return (result * 255).clip(0, 255)


def write_network(
    path: Path,
    limits: tuple[float, float] | None = (0.0, 1.0),
    mode: str = "CRD",
    constants: str = "initializer",
    quantized: bool = False,
) -> Path:
    """A convolution, DepthToSpace and a clip; an int8 pair may follow the convolution."""
    stored = {"w": WEIGHTS, "b": BIAS}
    nodes = [helper.make_node("Conv", ["frame", "w", "b"], ["features"])]
    last = "features"
    if quantized:
        stored |= {"scale": np.float32(2 / 127), "zero": np.int8(0)}
        nodes.append(helper.make_node("QuantizeLinear", [last, "scale", "zero"], ["q"]))
        nodes.append(helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]))
        last = "dq"
    result = "upscaled" if limits is None else "shuffled"
    nodes.append(helper.make_node("DepthToSpace", [last], [result], blocksize=2, mode=mode))
    if limits is not None:
        ends = dict(zip(("low", "high"), map(np.float32, limits), strict=True))
        if constants == "node":
            nodes += [
                helper.make_node("Constant", [], [k], value=numpy_helper.from_array(np.asarray(v)))
                for k, v in ends.items()
            ]
        else:
            stored |= ends
        nodes.append(helper.make_node("Clip", ["shuffled", "low", "high"], ["upscaled"]))
    planes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *sides])
        for name, sides in (("frame", ("height", "width")), ("upscaled", ("height2", "width2")))
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "network", planes[:1], planes[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def write_frames(source: Path, out: Path) -> None:
    """Write a network with frames on both sides."""
    save_onnx(frame_graph(source), out)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write a network, and the same with frames on both sides."""

    def write_both(**options) -> Path:
        write_frames(write_network(tmp_path / "fp32.onnx", **options), tmp_path / "out" / "fp32.uint8.onnx")
        return tmp_path / "out" / "fp32.uint8.onnx"

    return write_both


def run_onnxruntime(path: Path, frame: np.ndarray) -> np.ndarray:
    return np.asarray(
        ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"frame": frame})[0]
    )


def run_reference(path: Path, frame: np.ndarray) -> np.ndarray:
    (found,) = ReferenceEvaluator(str(path)).run(None, {"frame": frame})
    return np.asarray(found)


CASES = {
    "initializers": {},
    "constant nodes": {"constants": "node"},
    "no clip": {"limits": None},
    "narrower clip": {"limits": (0.25, 0.5)},
    "other order of channels": {"mode": "DCR"},
}


@pytest.mark.parametrize("run", [run_onnxruntime, run_reference], ids=["onnxruntime", "reference"])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES.keys())
def test_levels_are_rounded_and_limited(make, run, options):
    path = make(**options)
    for size in SIZES:
        frame = frame_of(*size)
        exact = oracle(frame, options.get("limits", (0.0, 1.0)), options.get("mode", "CRD"))
        found = run(path, frame)
        assert found.dtype == np.uint8
        assert found.shape == (1, 2 * size[0], 2 * size[1], 3)
        assert np.abs(found[0] - exact).max() < 0.501


def test_the_oracle_reaches_beyond_both_ends():
    values = np.einsum("oi,hwi->hwo", WEIGHTS[:, :, 0, 0], frame_of(8, 12)[0] / 255.0) + BIAS
    assert np.mean(values < -0.1) > 0.05
    assert np.mean(values > 1.1) > 0.05


def test_a_pair_behind_the_convolution_stays(make):
    path, frame = make(quantized=True), frame_of(8, 12)
    scale = np.float64(np.float32(2 / 127))
    # Each level is that of a whole number of int8 steps.
    steps = np.arange(-128, 128) * scale * 255
    nearest = np.abs(run_onnxruntime(path, frame)[0][..., None] - steps.clip(0, 255)).min(axis=-1)
    assert nearest.max() < 0.501
    exact = oracle(frame, (0.0, 1.0))
    assert np.abs(run_onnxruntime(path, frame)[0] - exact).max() < 255 * scale / 2 + 0.501


def test_ties_go_to_the_even_level(tmp_path: Path):
    # Channel k is k and a half levels for any frame.
    halves = (np.arange(12, dtype=np.float32) + np.float32(0.5)) * (np.float32(1) / np.float32(255))
    model = onnx.load(write_network(tmp_path / "fp32.onnx"))
    for tensor in model.graph.initializer:
        if tensor.name in ("w", "b"):
            value = np.zeros_like(WEIGHTS) if tensor.name == "w" else halves
            tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    onnx.save(model, tmp_path / "fp32.onnx")
    write_frames(tmp_path / "fp32.onnx", tmp_path / "uint8.onnx")
    found = run_onnxruntime(tmp_path / "uint8.onnx", frame_of(1, 1))[0]
    # Of colour c, four sub-pixels in rows: channels 4c to 4c + 3.
    assert found[..., 0].tolist() == [[0, 2], [2, 4]]
    assert found[..., 1].tolist() == [[4, 6], [6, 8]]
    assert found[..., 2].tolist() == [[8, 10], [10, 12]]


def test_the_file_keeps_the_contract(make):
    path = make(constants="node")
    model = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    for value, name in ((model.graph.input[0], "frame"), (model.graph.output[0], "upscaled")):
        dims = value.type.tensor_type.shape.dim
        assert value.name == name
        assert value.type.tensor_type.elem_type == TensorProto.UINT8
        assert [dims[0].dim_value, dims[3].dim_value] == [1, 3]
        assert dims[1].dim_param and dims[2].dim_param
    kinds = [node.op_type for node in model.graph.node]
    # No second clip, and nothing unread.
    assert kinds == ["Transpose", "Cast", "Div", "Conv", "DepthToSpace", "QuantizeLinear", "Transpose"]
    read = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= read
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_depth_to_space_that_is_read_twice_stays(tmp_path: Path):
    model = onnx.load(write_network(tmp_path / "fp32.onnx", limits=None))
    model.graph.node[-1].output[0] = "shuffled"
    model.graph.node.append(helper.make_node("Mul", ["shuffled", "shuffled"], ["square"]))
    model.graph.node.append(helper.make_node("Add", ["shuffled", "square"], ["upscaled"]))
    onnx.save(model, tmp_path / "fp32.onnx")
    write_frames(tmp_path / "fp32.onnx", tmp_path / "uint8.onnx")
    frame = frame_of(6, 4)
    values = np.einsum("oi,hwi->hwo", WEIGHTS[:, :, 0, 0].astype(np.float64), frame[0] / 255.0) + BIAS
    exact = (values + values**2).reshape(6, 4, 3, 2, 2).transpose(0, 3, 1, 4, 2).reshape(12, 8, 3)
    found = run_onnxruntime(tmp_path / "uint8.onnx", frame)[0]
    assert np.abs(found - (exact * 255).clip(0, 255)).max() < 0.501


def test_same_file_same_bytes(make):
    first = make(quantized=True).read_bytes()
    assert make(quantized=True).read_bytes() == first


def test_what_is_no_network_on_planes_is_refused(make, tmp_path: Path):
    with pytest.raises(
        UserError, match=r"uint8\.onnx: expected float32 1 x 3 x H x W as frame .*found"
    ) as caught:
        write_frames(make(), tmp_path / "twice.onnx")
    assert "\n" not in str(caught.value)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(UserError, match=r"text\.onnx: expected an ONNX"):
        write_frames(tmp_path / "text.onnx", tmp_path / "twice.onnx")
    assert not (tmp_path / "twice.onnx").exists()
