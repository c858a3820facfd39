"""Metrics of a study in the pipeline's format, with plausible figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

from superres.report.metrics.schema import Metrics

MILLISECONDS = {
    ("pytorch", "fp32"): 330.0,
    ("pytorch", "bf16"): 190.0,
    ("onnxruntime", "fp32"): 171.0,
    ("onnxruntime", "int8-dummy"): 112.0,
    ("onnxruntime", "int8-minmax"): 111.0,
    ("openvino", "fp32"): 140.0,
    ("openvino", "bf16"): 79.0,
    ("openvino", "int8-dummy"): 44.5,
    ("openvino", "int8-minmax"): 44.7,
}
REFERENCE_MS = MILLISECONDS["openvino", "fp32"]
LOST = {"fp32": 0.0, "bf16": 0.012, "int8-dummy": 0.61, "int8-minmax": 0.21}
MANIFEST = {"manifest": "results/default/arms/manifest.json", "manifest_sha256": "ba" * 32}
PSNR = {"espcn_rgb": 31.02, "espcn_ycbcr": 31.21}


def row(runtime: str, model: str, precision: str, psnr: float, milliseconds: float, **other: object) -> dict:
    """One row of an arm that ran."""
    return {
        "target": "local",
        "runtime": runtime,
        "model": model,
        "precision": precision,
        "clip": "park",
        "scale": 2,
        "frames": 24,
        "psnr_db": psnr,
        "psnr_y_db": psnr + 0.4,
        "psnr_of_mean_db": psnr - 0.02,
        "psnr_y_of_mean_db": psnr + 0.38,
        "ssim_y": 0.9,
        "exact_frames": 0,
        "darkest": 0,
        "brightest": 255,
        **dict.fromkeys(("shift_r", "shift_g", "shift_b", "checkerboard", "saturated"), 0.0),
        "timed_on": other.get("clip", "park"),
        "luma": "full-range",
        "border": 0,
        "fps": 1000 / milliseconds,
        "fps_compute": 1000 / (milliseconds * 0.9),
        "latency_p50_ms": milliseconds,
        "latency_p90_ms": milliseconds * 1.05,
        "latency_p99_ms": milliseconds * 1.2,
        "latency_mean_ms": milliseconds * 1.02,
        "compute_p50_ms": milliseconds * 0.9,
        "iterations": 30,
        "first_frame_ms": milliseconds * 3,
        "reference": "local/openvino/espcn_rgb/fp32",
        "speedup": REFERENCE_MS / milliseconds,
        "speedup_low": REFERENCE_MS / milliseconds * 0.99,
        "speedup_high": REFERENCE_MS / milliseconds * 1.02,
        "rounds": 9,
        "other_processors": 0.02,
        "macs": None if model == "bicubic" else 27.9e9,
        "limit_ms": milliseconds * 0.4,
        "limit_fraction": 0.4,
        "threads": 2,
        "memory_bytes": 200_000_000,
        "build_seconds": 0.4,
        "engine_bytes": 240_000,
        "engine_sha256": "ab" * 32,
        "onnx_sha256": None if model == "bicubic" else "cd" * 32,
        "seed": 0,
        "runtime_version": "1.2.3",
        **MANIFEST,
        "status": "ok",
        **other,
    }


def not_run(runtime: str, model: str, precision: str, reason: str) -> dict:
    """One row of an arm that did not run."""
    arm = {"target": "local", "runtime": runtime, "model": model, "precision": precision, "clip": "park"}
    protocol = {"scale": 2, "luma": "full-range", "border": 0}
    return {**arm, **protocol, **MANIFEST, "seed": 0, "status": f"not run: {reason}"}


def default_rows() -> list[dict]:
    """The 19 arms of a study on a machine without a GPU."""
    rows = [
        row(
            runtime,
            model,
            precision,
            best - LOST[precision] * (1.0 if model == "espcn_rgb" else 0.6) - 0.003 * (runtime == "openvino"),
            milliseconds * (1.0 if model == "espcn_rgb" else 1.35),
        )
        for model, best in PSNR.items()
        for (runtime, precision), milliseconds in MILLISECONDS.items()
    ]
    return [*rows, row("opencv", "bicubic", "uint8", 28.9, 1.1)]


def write_network(path: Path) -> None:
    """Write a Q/DQ convolution of 3 x 3 from 3 to 5 channels, and one of 1 x 1 from 5 in float."""
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "scale")
    levels = numpy_helper.from_array(np.ones((5, 3, 3, 3), np.int8), "levels")
    weights = numpy_helper.from_array(np.ones((1, 5, 1, 1), np.float32), "weights")
    nodes = [
        helper.make_node("QuantizeLinear", ["frame", "scale", "zero"], ["quantized"]),
        helper.make_node("DequantizeLinear", ["quantized", "scale", "zero"], ["data"]),
        helper.make_node("DequantizeLinear", ["levels", "scale", "zero"], ["kernel"]),
        helper.make_node("Conv", ["data", "kernel"], ["inner"], pads=[1] * 4),
        helper.make_node("Conv", ["inner", "weights"], ["upscaled"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, None, "H", "W"])
        for name in ("frame", "upscaled")
    ]
    constants = [scale, levels, weights, numpy_helper.from_array(np.array(0, np.int8), "zero")]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def write_metrics(path: Path, rows: Sequence[dict]) -> Path:
    """Write rows as `metrics.csv`."""
    frame = pl.DataFrame(list(rows), schema=Metrics.create_empty().schema)
    Metrics.validate(frame).write_csv(path)
    return path
