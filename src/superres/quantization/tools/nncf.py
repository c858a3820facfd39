"""OpenVINO's quantiser, `nncf.quantize`, on the ONNX graph.

Its default is the preset `performance`: symmetric int8 where values are negative, uint8 after a ReLU,
min-max ranges (the mean over images of each image's extremes inside the graph), a scale for each output
channel's weights, and fast bias correction. `mixed` has asymmetric activations. Both leave the output of the
last convolution in float.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from superres.device.base.errors import UserError
from superres.models.graphs.onnx_file import load_onnx
from superres.quantization.ranges.calibration import FrameFile, RandomImages, count_images, read_images
from superres.quantization.settings import INSTALL
from superres.quantization.tools.run import Made

# NNCF reports its use over the network. Without this package it uses a stub instead.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

_PRESETS = {"default": "performance", "mixed": "mixed"}


def quantize(onnx_path: Path, preset: str, data: RandomImages | FrameFile) -> Made:
    """Return the tool's Q/DQ graph of an FP32 graph; raises UserError without NNCF."""
    try:
        # By name: without the package, type checkers would take this file for it.
        nncf = importlib.import_module("nncf")
    except ImportError as error:
        raise UserError(f"expected the package nncf, found: {error}; install it with: {INSTALL}") from error
    graph = load_onnx(onnx_path)
    settings = {"preset": _PRESETS[preset], "subset_size": count_images(data)}
    made = nncf.quantize(
        graph,
        nncf.Dataset(_Images(data, graph.graph.input[0].name)),
        preset=nncf.QuantizationPreset(settings["preset"]),
        subset_size=settings["subset_size"],
    )
    return Made(made, nncf.__version__, settings)


class _Images:
    """The images one by one, any number of times."""

    def __init__(self, data: RandomImages | FrameFile, entry: str):
        self._data, self._entry = data, entry

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return ({self._entry: tensor} for _, tensor in read_images(self._data))

    def __len__(self) -> int:
        return count_images(self._data)
