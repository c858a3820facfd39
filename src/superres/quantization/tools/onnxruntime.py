"""onnxruntime's static quantiser, `onnxruntime.quantization.quantize_static`.

Its default quantises all operators that it can (also colour conversions and their constants): activations as
int8 with a zero-point, weights with one scale a tensor, biases as int32. The preset `tensorrt` suits
TensorRT's parser: zero-points of 0, a scale for each output channel, Q/DQ after float weights, float biases.
No preset has its entropy calibrator: it keeps the activations of all images in memory (ESPCN_RGB: 260 MB for
each image of 270 x 480), and with its default of 128 bins it returns min-max.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, quantize_static

from superres.models.graphs.onnx_file import load_onnx, own_size
from superres.quantization.ranges.calibration import FrameFile, RandomImages, read_images
from superres.quantization.tools.run import Made

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "tensorrt": {
        "per_channel": True,
        "extra_options": {
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "AddQDQPairToWeight": True,
            "QuantizeBias": False,
        },
    },
}


def quantize(onnx_path: Path, preset: str, data: RandomImages | FrameFile) -> Made:
    """Return the tool's Q/DQ graph of an FP32 graph."""
    settings = PRESETS[preset]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "quantized.onnx")
        graph = load_onnx(onnx_path)
        images = _Images(data, graph.graph.input[0].name, own_size(graph))
        quantize_static(onnx_path, out, images, **settings)
        return Made(load_onnx(out), ort.__version__, settings)


class _Images(CalibrationDataReader):
    """The images one by one."""

    def __init__(self, data: RandomImages | FrameFile, entry: str, size: tuple[int, int] | None):
        self._images: Iterator[tuple[str, np.ndarray]] = read_images(data, size)
        self._entry = entry

    # None after the last image: the tool wants it, though its type stub doesn't say so.
    def get_next(self) -> dict[str, np.ndarray] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        found = next(self._images, None)
        return None if found is None else {self._entry: found[1]}
