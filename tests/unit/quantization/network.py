"""A small network with the paper's shape: convolution and ReLU twice, a third convolution, DepthToSpace,
clip."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import FrameFile, RandomImages
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.settings import CalibrationSettings

CHANNELS = ((3, 8, 5), (8, 6, 3), (6, 12, 3))


def network_weights(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights and bias (float32) of the three convolutions; channel 1 of the second holds only zeros."""
    rng = np.random.default_rng(seed)
    layers = []
    for inputs, outputs, kernel in CHANNELS:
        spread = 1.5 / np.sqrt(inputs * kernel * kernel)
        weights = rng.normal(0, spread, (outputs, inputs, kernel, kernel)).astype(np.float32)
        layers.append((weights, rng.normal(0, 0.05, outputs).astype(np.float32)))
    layers[1][0][1] = 0
    return layers


def build_network(layers: list[tuple[np.ndarray, np.ndarray]], opset: int = 17) -> onnx.ModelProto:
    """The ONNX graph of the network: `frame` in, `upscaled` out, dynamic height and width."""
    nodes, initializers, source = [], [], "frame"
    for index, (weights, bias) in enumerate(layers, start=1):
        initializers.append(numpy_helper.from_array(weights, f"w{index}"))
        initializers.append(numpy_helper.from_array(bias, f"b{index}"))
        pad = weights.shape[2] // 2
        nodes.append(
            helper.make_node("Conv", [source, f"w{index}", f"b{index}"], [f"c{index}"], pads=[pad] * 4)
        )
        source = f"c{index}"
        if index < len(layers):
            nodes.append(helper.make_node("Relu", [source], [f"r{index}"]))
            source = f"r{index}"
    nodes.append(helper.make_node("DepthToSpace", [source], ["d"], blocksize=2, mode="CRD"))
    initializers.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    initializers.append(numpy_helper.from_array(np.array(1, np.float32), "one"))
    nodes.append(helper.make_node("Clip", ["d", "zero", "one"], ["upscaled"]))
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, [1, 3, "h2", "w2"])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def write_set(folder: Path, images: list[np.ndarray]) -> Path:
    """Write a calibration set of uint8 images of one or of several sizes."""
    path = folder / "set.npy"
    shapes = [image.shape[:2] for image in images]
    if len(set(shapes)) == 1:
        np.save(path, np.stack(images))
    else:
        np.save(path, np.concatenate([image.ravel() for image in images]))
    names = [f"image-{index}" for index in range(len(images))]
    path.with_suffix(".json").write_text(json.dumps({"name": "set", "names": names, "shapes": shapes}))
    return path


def calibrate(
    network: Path, data: FrameFile | RandomImages | None, out: Path, method: str = "minmax", **settings: Any
) -> dict[str, Any]:
    """Write the ranges file `out` and its cache next to it; return its content."""
    observed = None
    if data is not None:
        observed = out.with_suffix(".npz")
        observe_activations(network, data, observed, model="small", threads=1)
    cache = settings.pop("cache", None)
    calibrate_ranges(
        network,
        CalibrationSettings(name="some", method=method, **settings),
        ranges_out=out,
        cache_out=out.with_suffix(".cache"),
        model="small",
        observed=observed,
        cache=cache,
    )
    return json.loads(out.read_text())


def convolve(data: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A zero-padded convolution in float64: I x H x W to O x H x W."""
    pad = weights.shape[2] // 2
    padded = np.pad(data.astype(np.float64), ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], axis=(1, 2))
    return np.einsum("ihwyx,oiyx->ohw", windows, weights.astype(np.float64)) + bias[:, None, None]


def to_space(data: np.ndarray) -> np.ndarray:
    """DepthToSpace by 2, mode CRD: 12 x H x W to 3 x 2H x 2W."""
    _, height, width = data.shape
    blocks = data.reshape(3, 2, 2, height, width)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(3, 2 * height, 2 * width)
