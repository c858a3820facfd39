"""The graphs that the pipeline makes for TensorRT: every network in every precision."""

from pathlib import Path

from superres import models
from superres.models.export import export_onnx
from superres.models.graphs.fp16 import convert_fp16
from superres.models.settings import weights_name
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.settings import CalibrationSettings

MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor", "plain_c16_m4")
WEIGHTS = Path(models.__path__[0]) / "weights"


def write_graphs(name: str, folder: Path) -> Path:
    """Write a model's fp32.onnx, fp16.onnx and int8-dummy.onnx; returns the folder."""
    fp32, ranges = folder / "fp32.onnx", folder / "ranges.json"
    export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", fp32)
    convert_fp16(fp32, folder / "fp16.onnx")
    images = RandomImages("uniform", 0, 1, 48, 64)
    observe_activations(fp32, images, folder / "observed.npz", model=name, threads=1)
    calibrate_ranges(
        fp32,
        CalibrationSettings(name="dummy", method="minmax"),
        ranges_out=ranges,
        cache_out=folder / "ranges.cache",
        model=name,
        observed=folder / "observed.npz",
    )
    quantize_onnx(fp32, ranges, folder / "int8-dummy.onnx")
    return folder
