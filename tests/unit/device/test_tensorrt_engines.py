"""Every model in every precision through NVIDIA's real parser and builder (TensorRT-RTX), without a GPU."""

from pathlib import Path

import pytest

from superres import models
from superres.models.export import export_onnx
from superres.models.settings import weights_name
from superres.quantization.calibration import CalibrationSettings, RandomImages
from superres.quantization.observation import observe_activations
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges import calibrate_ranges

from .rtx import assert_int8_convolutions, convolution_types

MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor")
WEIGHTS = Path(models.__path__[0]) / "weights"


@pytest.fixture(scope="module", params=MODELS)
def model(request, tmp_path_factory) -> Path:
    """The folder of a model's ONNX files: fp32.onnx, int8-dummy.onnx."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    fp32, ranges = folder / "fp32.onnx", folder / "ranges.json"
    export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", fp32)
    images = RandomImages("uniform", 0, 1, 48, 64)
    observe_activations(fp32, images, folder / "observed.npz", model=name, threads=1)
    calibrate_ranges(
        fp32,
        CalibrationSettings("dummy", "minmax"),
        ranges_out=ranges,
        cache_out=folder / "ranges.cache",
        model=name,
        observed=folder / "observed.npz",
    )
    quantize_onnx(fp32, ranges, folder / "int8-dummy.onnx")
    return folder


def test_every_convolution_of_an_int8_graph_is_int8_by_int8(model):
    assert_int8_convolutions(model / "int8-dummy.onnx")


def test_every_convolution_of_an_fp32_graph_is_float_by_float(model):
    types = convolution_types(model / "fp32.onnx")
    assert len(types) in {3, 4}
    assert set(types.values()) == {("Float", "Float")}


def test_a_graph_without_pairs_is_no_int8_graph(model):
    with pytest.raises(AssertionError, match="Float"):
        assert_int8_convolutions(model / "fp32.onnx")


def test_a_convolution_that_was_left_in_float_is_found(model):
    # The file itself doesn't mark it as kept in float.
    quantize_onnx(model / "fp32.onnx", model / "ranges.json", model / "two.onnx", float_layers=["conv2"])
    with pytest.raises(AssertionError, match="conv2"):
        assert_int8_convolutions(model / "two.onnx")
