"""What a graph reaches and needs, against perturbed pixels and counted tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.models.export import export_onnx
from superres.models.graphs.footprint import Footprint, measure_footprint
from superres.models.networks import Network
from superres.models.settings import weights_name
from superres.models.weights import save_weights

SIDE = 48


def _reach_of_a_pixel(path: Path, at: int) -> int:
    """Return how far one LR pixel's change is seen in the result, in LR pixels."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    farthest = 0
    for _ in range(3):
        frame = random.random((1, 3, SIDE, SIDE), np.float32)
        other = frame.copy()
        other[:, :, at, at] = 1 - np.rint(other[:, :, at, at])
        a, b = (np.asarray(session.run(None, {"frame": planes})[0]) for planes in (frame, other))
        scale = a.shape[2] / SIDE
        rows = np.nonzero(np.abs(a - b).max(axis=(0, 1, 3)) > 1e-7)[0] // scale
        farthest = max(farthest, *np.abs(rows - at).astype(int).tolist())
    return farthest


def _write(path: Path, nodes: Sequence[onnx.NodeProto], **constants: np.ndarray) -> Path:
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, None, None])
        for name in ("frame", "upscaled")
    ]
    graph = helper.make_graph(
        list(nodes),
        "graph",
        ends[:1],
        ends[1:],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("model", ["espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor"])
def test_radius_is_how_far_a_pixel_reaches(model: str, make_network: Callable[..., Network], tmp_path: Path):
    weights, path = tmp_path / "weights.safetensors", tmp_path / "fp32.onnx"
    save_weights(make_network(weights_name(model)), weights)
    export_onnx(model, weights, path)
    footprint = measure_footprint(path)
    # ESPCN's kernels of 5, 3 and 3.
    assert (footprint.radius, footprint.multiple) == (4, 1)
    assert _reach_of_a_pixel(path, SIDE // 2) <= 4
    # conv1 and its ReLU have 96 channels each in float32, and some of the image beside them.
    least = 2 * 4 * 96 if model == "espcn_rgb" else 2 * 4 * 48
    assert least < footprint.bytes_per_pixel < 4 * 4 * (96 + 96 + 48)


def test_graphs_at_half_the_size_have_a_multiple_and_reach_twice_as_far(tmp_path: Path):
    path = _write(
        tmp_path / "unshuffled.onnx",
        [
            helper.make_node("SpaceToDepth", ["frame"], ["small"], blocksize=2),
            helper.make_node("Conv", ["small", "weights"], ["wide"], kernel_shape=[3, 3], pads=[1] * 4),
            helper.make_node("DepthToSpace", ["wide"], ["upscaled"], blocksize=4, mode="CRD"),
        ],
        weights=np.random.default_rng(1).standard_normal((48, 12, 3, 3)).astype(np.float32),
    )
    footprint = measure_footprint(path)
    assert footprint.multiple == 2
    assert footprint.radius is not None
    reached = max(_reach_of_a_pixel(path, at) for at in (24, 25))
    assert reached <= footprint.radius <= reached + 2


def test_resize_and_transposed_convolutions_reach_too(tmp_path: Path):
    path = _write(
        tmp_path / "resized.onnx",
        [
            helper.make_node("Resize", ["frame", "", "scales"], ["large"], mode="cubic"),
            helper.make_node("Conv", ["large", "weights"], ["upscaled"], kernel_shape=[3, 3], pads=[1] * 4),
        ],
        scales=np.array([1, 1, 2, 2], np.float32),
        weights=np.ones((3, 3, 3, 3), np.float32),
    )
    footprint = measure_footprint(path)
    assert footprint.radius is not None
    assert 2 <= _reach_of_a_pixel(path, 24) <= footprint.radius <= 4


def test_a_mean_over_the_frame_has_no_radius(tmp_path: Path):
    path = _write(
        tmp_path / "global.onnx",
        [
            helper.make_node("GlobalAveragePool", ["frame"], ["mean"]),
            helper.make_node("Add", ["frame", "mean"], ["upscaled"]),
        ],
    )
    assert measure_footprint(path).radius is None


def test_levels_that_the_whole_frame_decides_have_no_radius(tmp_path: Path):
    """A graph that was quantised dynamically takes each frame's own range."""
    path = _write(
        tmp_path / "dynamic.onnx",
        [
            helper.make_node("DynamicQuantizeLinear", ["frame"], ["levels", "scale", "zero"]),
            helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["upscaled"]),
        ],
    )
    assert measure_footprint(path).radius is None


def test_constants_do_not_count_as_the_frame(tmp_path: Path):
    path = _write(
        tmp_path / "constant.onnx",
        [
            helper.make_node("Reshape", ["flat", "shape"], ["gain"]),
            helper.make_node("Mul", ["frame", "gain"], ["upscaled"]),
        ],
        flat=np.ones(3, np.float32),
        shape=np.array([1, 3, 1, 1], np.int64),
    )
    # Three values of the frame and three of the result; what is computed from constants is hardly seen.
    assert measure_footprint(path) == Footprint(6 * 8 + 1, 0, 1)
