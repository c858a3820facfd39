"""Real quantisers of other projects on a small network: their graphs are checked against numpy, and run."""

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

from superres.device.base.errors import UserError
from superres.quantization.ranges.calibration import FrameFile, RandomImages, describe_data
from superres.quantization.settings import INSTALL, TOOLS
from superres.quantization.tools.run import quantize_by_tool

from .network import convolve, network_weights, write_set


def images() -> list[np.ndarray]:
    """Two images whose largest levels are 200 and 250, and one that no tool may read."""
    rng = np.random.default_rng(3)
    found = [rng.integers(0, high, (12, 18, 3), dtype=np.uint8) for high in (201, 251, 256)]
    for image, high in zip(found, (200, 250, 255), strict=True):
        image[0, 0] = high
    return found


def quantize(network: Path, folder: Path, tool: str, preset: str) -> tuple[onnx.ModelProto, dict]:
    out = folder / f"{tool}-{preset}.onnx"
    data = FrameFile(write_set(folder, images()), 2)
    quantize_by_tool(network, tool, preset, data, onnx_out=out, record_out=out.with_suffix(".json"))
    return onnx.load(out), json.loads(out.with_suffix(".json").read_text())


def pairs(model: onnx.ModelProto) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scale and zero-point of every tensor that a QuantizeLinear reads."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return {
        node.input[0]: (values[node.input[1]], values[node.input[2]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }


def reaches() -> dict[str, float]:
    """Largest magnitude of the convolutions' inputs over the two images, in float64."""
    found: dict[str, float] = {}
    for image in images()[:2]:
        data = image.transpose(2, 0, 1) / 255
        for name, (weights, bias) in zip(("frame", "r1", "r2"), network_weights(), strict=True):
            found[name] = max(found.get(name, 0.0), float(np.abs(data).max()))
            data = np.maximum(convolve(data, weights, bias), 0)
    return found


def test_onnxruntimes_preset_for_tensorrt_is_symmetric_and_per_channel(network: Path, tmp_path: Path):
    model, record = quantize(network, tmp_path, "onnxruntime", "tensorrt")
    found = pairs(model)
    for name, amax in reaches().items():
        scale, zero = found[name]
        assert scale == pytest.approx(amax / 127, rel=1e-5)
        assert zero == 0 and zero.dtype == np.int8
    for index, (weights, _) in enumerate(network_weights(), start=1):
        scale, zero = found[f"w{index}"]
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        # A channel of zeros has no range; its scale doesn't matter.
        assert scale[largest > 0] == pytest.approx(largest[largest > 0] / 127, rel=1e-5)
        assert not zero.any()
    assert record["settings"]["per_channel"] is True
    assert record["settings"]["extra_options"]["ActivationSymmetric"] is True


def test_onnxruntimes_default_has_zero_points_and_one_scale_for_a_layers_weights(
    network: Path, tmp_path: Path
):
    model, record = quantize(network, tmp_path, "onnxruntime", "default")
    found = pairs(model)
    for name, amax in reaches().items():
        scale, zero = found[name]
        assert scale == pytest.approx(amax / 255, rel=1e-5)
        assert zero == -128
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for index, (weights, _) in enumerate(network_weights(), start=1):
        assert values[f"w{index}_scale"] == pytest.approx(np.abs(weights).max() / 127, rel=1e-5)
    assert record["settings"] == {}


def test_the_record_says_what_was_used(network: Path, tmp_path: Path):
    _, record = quantize(network, tmp_path, "onnxruntime", "default")
    assert (record["tool"], record["preset"]) == ("onnxruntime", "default")
    assert record["version"] == version("onnxruntime") == ort.__version__
    assert record["data"] == describe_data(FrameFile(tmp_path / "set.npy", 2))
    assert record["data"]["count"] == 2


def test_random_images_are_an_input_too(network: Path, tmp_path: Path):
    out = tmp_path / "random.onnx"
    data = RandomImages("uniform", 4, 1, 16, 24)
    quantize_by_tool(network, "onnxruntime", "tensorrt", data, onnx_out=out, record_out=tmp_path / "r.json")
    largest = np.random.default_rng(4).random((1, 3, 16, 24), dtype=np.float32).max()
    assert pairs(onnx.load(out))["frame"][0] == pytest.approx(largest / 127, rel=1e-6)


@pytest.mark.parametrize("tool, preset", [(name, p) for name, tool in TOOLS.items() for p in tool.presets])
def test_the_same_inputs_give_the_same_bytes_which_run(network: Path, tmp_path: Path, tool: str, preset: str):
    if not TOOLS[tool].is_there:
        pytest.skip(f"{tool} is not installed: {INSTALL}")
    model, _ = quantize(network, tmp_path, tool, preset)
    again, _ = quantize(network, tmp_path, tool, preset)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
    frame = images()[2].transpose(2, 0, 1)[None].astype(np.float32) / 255
    ours, theirs = (
        ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"frame": frame})[0]
        for content in (network.read_bytes(), model.SerializeToString())
    )
    error = np.abs(np.asarray(ours) - np.asarray(theirs))
    assert 0 < error.mean() < 0.02


def test_nncfs_ranges_are_the_mean_of_the_images(network: Path, tmp_path: Path):
    if not TOOLS["nncf"].is_there:
        pytest.skip(f"nncf is not installed: {INSTALL}")
    model, record = quantize(network, tmp_path, "nncf", "default")
    assert record["settings"] == {"preset": "performance", "subset_size": 2}
    assert record["version"] == version("nncf")
    scale, zero = pairs(model)["frame"]
    # The images reach 200 and 250 of 255; nothing is negative: all 255 steps of uint8 are used.
    assert scale == pytest.approx(225 / 255 / 255, rel=1e-6)
    assert zero == 0 and zero.dtype == np.uint8


def test_without_nncf_one_line_says_how_to_get_it(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # Python's own way to say that a module can't be imported.
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UserError, match=r"expected the package nncf, .*envs/others\.txt"):
        quantize(network, tmp_path, "nncf", "default")
    assert not list(tmp_path.glob("nncf*"))


def test_a_tool_that_is_not_installed_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "nncf", raising=False)
    there: Mapping[str, bool] = {name: tool.is_there for name, tool in TOOLS.items()}
    assert there == {"onnxruntime": True, "nncf": False}
