"""Networks of others from file to pictures of runtimes: PSNR as by hand, INT8 by NVIDIA's builder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from superres.device.base.errors import UnsupportedError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.models.adoption.adopt import adopt_onnx
from superres.models.adoption.statements import Adoption
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import find_convolutions, load_onnx
from superres.models.graphs.uint8.forms import PLAIN, form_of, write_form
from superres.models.settings import PRETRAINED
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.settings import Bias, CalibrationSettings
from superres.quantization.state import StepJob, refine_onnx

from ..quantization.network import calibrate
from . import foreign, foreign_quantized, foreign_sizes
from .test_adoption import CASES, by_luma

ByHand = Callable[[Path, np.ndarray], np.ndarray]


ALL: dict[str, tuple[Callable[[Path], Path], ByHand, Adoption]] = {
    # Two are off by half a pixel, or differ at their ends alone.
    **{name: case[:3] for name, case in CASES.items() if name not in ("opset 9", "two ranges")},
    "luma x3, opset 11, one size": (
        foreign_sizes.luma_x3,
        lambda path, frame: by_luma(path, frame, scale=3),
        Adoption(swing="full", range="0..1"),
    ),
}


def photograph(scale: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a detail of a photograph and its LR twin, 48 x 64, by the mean of pixels."""
    with Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
        hr = np.asarray(image.convert("RGB"))[100 : 100 + 48 * scale, 150 : 150 + 64 * scale]
    blocks = hr.reshape(48, scale, 64, scale, 3).astype(np.float64)
    return hr, np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def psnr(picture: np.ndarray, hr: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((picture.astype(np.float64) - hr) ** 2))


def adopt(name: str, folder: Path) -> tuple[Path, Path, ByHand]:
    write, by_hand, stated = ALL[name]
    source, out = write(folder / "foreign.onnx"), folder / "fp32.onnx"
    adopt_onnx(source, out, folder / "adopted.json", stated)
    return source, out, by_hand


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ALL)
def test_psnr_is_that_of_the_original_by_hand(name: str, runtime: str, tmp_path: Path):
    source, fp32, by_hand = adopt(name, tmp_path)
    scale = json.loads((tmp_path / "adopted.json").read_text())["scale"]
    hr, lr = photograph(scale)
    picture = _upscale(fp32, runtime, lr, scale)
    assert picture.shape == hr.shape
    found = psnr(picture, hr)
    expected = psnr(np.rint(255 * np.clip(by_hand(source, lr / 255), 0, 1)), hr)
    # Half floats are rounded in the original alone.
    assert abs(found - expected) < (0.02 if name == "halves" else 0.0005)
    assert found > 20


def _upscale(fp32: Path, runtime: str, lr: np.ndarray, scale: int) -> np.ndarray:
    """Return the frame of a runtime's engine in its own form."""
    built, form = fp32, form_of(runtime, "float")
    if form != PLAIN:
        write_form(fp32, built := fp32.with_name("form.onnx"), form)
    sizes = {each: [48, 64] for each in ("smallest", "tuned", "largest")}
    settings = Settings("fp32", 1, {"frames": "uint8", "sizes": sizes, "scale": scale})
    module, engine = load_runtime(runtime), fp32.with_name("engine.bin")
    module.build(built, engine, settings)
    return module.open_engine(engine, settings).run(lr)


OTHERS: dict[str, Callable[[Path], Path]] = {
    "pairs": foreign_quantized.pairs,
    "windows": lambda path: foreign_sizes.windows(path, fixed=False),
}


@pytest.mark.parametrize("name", [*ALL, *OTHERS])
def test_nvidias_builder_builds_the_int8_graph(name: str, tmp_path: Path):
    from ..device.rtx import assert_int8_convolutions

    if name in OTHERS:
        source, fp32 = OTHERS[name](tmp_path / "foreign.onnx"), tmp_path / "fp32.onnx"
        adopt_onnx(source, fp32, tmp_path / "adopted.json", Adoption(range="0..1"))
    else:
        _, fp32, _ = adopt(name, tmp_path)
    calibrate(fp32, RandomImages("uniform", 0, 1, 32, 48), tmp_path / "ranges.json")
    record = tmp_path / "int8.json"
    quantize_onnx(fp32, tmp_path / "ranges.json", tmp_path / "int8.onnx", record=record)
    assert 0 < sum(layer["share"] for layer in json.loads(record.read_text())["layers"]) < 1.0001
    assert find_convolutions(load_onnx(fp32))
    assert_int8_convolutions(tmp_path / "int8.onnx")


def test_steps_of_recipes_take_convolutions_without_a_bias(tmp_path: Path):
    _, fp32, _ = adopt("halves", tmp_path)
    images = RandomImages("uniform", 0, 1, 32, 48)
    calibrate(fp32, images, tmp_path / "ranges.json")
    job = StepJob("mine", CalibrationSettings(name="some"), images, Bias(images=1))
    ends = {"onnx_out": tmp_path / "bias.onnx", "ranges_out": tmp_path / "bias.json"}
    refine_onnx(fp32, tmp_path / "ranges.json", "bias", job, **ends)
    shifts = json.loads(ends["ranges_out"].read_text())["steps"][0]["rms_shift"]
    assert all(shift > 0 for shift in shifts.values())


@pytest.mark.parametrize("model", ["espcn_rgb", "espcn_anchor", "fsrcnn"])
def test_a_network_of_this_package_stays_the_same_to_the_byte(model: str, tmp_path: Path):
    own, out = tmp_path / "own.onnx", tmp_path / "fp32.onnx"
    export_onnx(model, PRETRAINED / f"{model}.safetensors", own)
    adopt_onnx(own, out, tmp_path / "adopted.json", Adoption())
    # So has its engine: it is built from the same file.
    assert out.read_bytes() == own.read_bytes()


@pytest.mark.parametrize("runtime", ["openvino", "tensorrt_rtx"])
def test_an_operator_that_a_runtime_lacks_is_named(runtime: str, tmp_path: Path):
    if runtime == "tensorrt_rtx":
        pytest.importorskip("tensorrt_rtx")
    source, fp32 = foreign_sizes.rare(tmp_path / "foreign.onnx"), tmp_path / "fp32.onnx"
    adopt_onnx(source, fp32, tmp_path / "adopted.json", Adoption(range="0..1"))
    assert "Det" in [node.op_type for node in onnx.load(fp32).graph.node]
    sizes = {each: [48, 64] for each in ("smallest", "tuned", "largest")}
    with pytest.raises(
        UnsupportedError, match=r"lacks (the operator|operators of this graph:) ?.*Det"
    ) as caught:
        load_runtime(runtime).build(
            fp32, tmp_path / "engine.bin", Settings("fp32", 1, {"frames": "float32", "sizes": sizes})
        )
    assert "\n" not in str(caught.value)


def test_onnxruntime_names_an_operator_that_it_lacks(tmp_path: Path):
    graph = foreign.Builder()
    graph.nodes.append(onnx.helper.make_node("Magic", ["frame"], ["upscaled"], domain="com.example.unused"))
    path = graph.write(tmp_path / "odd.onnx", [1, 3, "h", "w"], [1, 3, "a", "b"])
    model = onnx.load(path)
    model.graph.input[0].name, model.graph.output[0].name = "frame", "upscaled"
    onnx.save(model, path)
    with pytest.raises(
        UnsupportedError, match=r"lacks the operator com\.example\.unused:Magic of this graph"
    ):
        load_runtime("onnxruntime").build(path, tmp_path / "e", Settings("fp32", 1, {"frames": "float32"}))
