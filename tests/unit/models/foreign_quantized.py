"""Foreign networks that are quantised already, in the ways that tools write: RGB in 0..1, x2."""

from pathlib import Path

import numpy as np
from onnx import TensorProto

from .foreign import Builder, bilinear_kernels

STEP = 1 / 255
"""Scale of activations: the levels of a frame."""


def _levels(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return symmetric levels of weights and the scale of each output channel."""
    scale = (np.abs(weights).reshape(len(weights), -1).max(axis=1) / 127).astype(np.float32)
    return np.rint(weights / scale[:, None, None, None]).astype(np.int8), scale


def _first() -> np.ndarray:
    """Return a small blur from three to eight channels, some of them negated, for the ReLU after it."""
    random = np.random.default_rng(4)
    weights = 0.01 * random.standard_normal((8, 3, 3, 3))
    weights[range(3), range(3), 1, 1] += 1
    weights[range(3, 6), range(3), 1, 1] -= 1
    return weights.astype(np.float32)


def _second() -> np.ndarray:
    """Return bilinear enlargement of the first three of eight channels."""
    weights = np.zeros((12, 8, 3, 3), np.float32)
    weights[:, :3] = bilinear_kernels(2, 3)
    return weights


def pairs(path: Path) -> Path:
    """Q/DQ pairs as onnxruntime writes them: int8 weights, int32 biases, a ReLU in a scale that ends at 0."""
    graph = Builder()
    step, zero = graph.store("step", np.float32(STEP)), graph.store("zero", np.uint8(0))
    x = "image"
    for name, weights in (("a", _first()), ("b", _second())):
        levels, scale = _levels(weights)
        graph.store(f"{name}.levels", levels)
        graph.store(f"{name}.scale", scale)
        graph.store(f"{name}.zero", np.zeros(len(scale), np.int8))
        graph.store(f"{name}.bias", np.full(len(scale), 4, np.int32))
        graph.store(f"{name}.steps", (scale * np.float32(STEP)).astype(np.float32))
        graph.add("QuantizeLinear", [x, step, zero], f"{name}.q")
        data = graph.add("DequantizeLinear", [f"{name}.q", step, zero], f"{name}.data")
        w = graph.add(
            "DequantizeLinear", [f"{name}.levels", f"{name}.scale", f"{name}.zero"], f"{name}.w", axis=0
        )
        b = graph.add("DequantizeLinear", [f"{name}.bias", f"{name}.steps"], f"{name}.b", axis=0)
        x = graph.add("Conv", [data, w, b], f"{name}.out", pads=[1] * 4)
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def linear(path: Path) -> Path:
    """QLinearConv, opset 11."""
    graph = Builder(opset=11)
    step, zero = graph.store("step", np.float32(STEP)), graph.store("zero", np.uint8(0))
    x = graph.add("QuantizeLinear", ["image", step, zero], "levels")
    for name, weights in (("a", _first()), ("b", _second())):
        levels, scale = _levels(weights)
        graph.store(f"{name}.levels", levels)
        graph.store(f"{name}.scale", scale)
        graph.store(f"{name}.zero", np.zeros(len(scale), np.int8))
        graph.store(f"{name}.bias", np.full(len(scale), 4, np.int32))
        inputs = [
            x,
            step,
            zero,
            f"{name}.levels",
            f"{name}.scale",
            f"{name}.zero",
            step,
            zero,
            f"{name}.bias",
        ]
        x = graph.add("QLinearConv", inputs, f"{name}.out", pads=[1] * 4)
    x = graph.add("DequantizeLinear", [x, step, zero], "floats")
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def dynamic(path: Path) -> Path:
    """DynamicQuantizeLinear and ConvInteger, as onnxruntime's dynamic quantisation writes them."""
    graph = Builder()
    x = "image"
    for name, weights in (("a", _first()), ("b", _second())):
        scale = np.float32(np.abs(weights).max() / 127)
        graph.store(f"{name}.levels", np.rint(weights / scale).astype(np.int8))
        graph.store(f"{name}.scale", scale)
        outputs = [f"{name}.q", f"{name}.step", f"{name}.zero"]
        graph.add("DynamicQuantizeLinear", [x], outputs[0])
        graph.nodes[-1].output.extend(outputs[1:])
        x = graph.add("ConvInteger", [outputs[0], f"{name}.levels", outputs[2]], f"{name}.sums", pads=[1] * 4)
        x = graph.add("Cast", [x], f"{name}.floats", to=TensorProto.FLOAT)
        steps = graph.add("Mul", [outputs[1], f"{name}.scale"], f"{name}.steps")
        x = graph.add("Mul", [x, steps], f"{name}.out")
        x = graph.add("Relu", [x], "active") if name == "a" else x
    graph.add("DepthToSpace", [x], "result", blocksize=2, mode="CRD")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])


def unknown(path: Path) -> Path:
    """An operator of onnxruntime's own that has no float form here."""
    graph = Builder()
    step, zero = graph.store("step", np.float32(STEP)), graph.store("zero", np.uint8(0))
    x = graph.add("QuantizeLinear", ["image", step, zero], "levels")
    graph.add("QLinearSoftmax", [x, step, zero], "soft", domain="com.microsoft")
    graph.add("DequantizeLinear", ["soft", step, zero], "result")
    return graph.write(path, [1, 3, "h", "w"], [1, 3, "a", "b"])
