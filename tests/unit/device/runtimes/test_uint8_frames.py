"""Frames converted inside an engine or outside give the same results: every model, on a photograph."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from processors import exact_int8
from superres.data.resampling import downsample
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import FRAMES, Settings
from superres.models.export import export_onnx, export_program
from superres.models.graphs.uint8.forms import form_of, write_form
from superres.models.networks import NETWORKS
from superres.models.settings import FOLDED_FROM, is_shipped
from superres.models.weights import pretrained
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.settings import CalibrationSettings

PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
DUMMY = RandomImages("uniform", 0, 1, 96, 128)
# The shares of values that may differ by a level, and by more.
# Floats on the edge of a level are rare. If the last convolution is quantised too, onnxruntime runs it in
# INT8 only in a graph that writes levels, with its bias rounded to int32. In an INT8 graph with colour
# conversion a luma on the edge of an int8 step may round the other way, as OpenVINO's order of additions
# depends on the form (98 % of the differences lie around 5 pixels whose luma is within 1e-5 of an edge).
CASES = [
    ("pytorch", "fp32", 0, 0),
    ("pytorch", "bf16", 0, 0),
    ("onnxruntime", "fp32", 1e-4, 0),
    ("onnxruntime", "int8-dummy", 0.01, 0),
    ("openvino", "fp32", 1e-4, 0),
    ("openvino", "int8-dummy", 0.002, 5e-4),
]


@pytest.fixture(scope="module", params=[*filter(is_shipped, NETWORKS), *FOLDED_FROM])
def files(request, tmp_path_factory) -> Path:
    """A folder with a model's files as the pipeline makes them."""
    folder, weights = tmp_path_factory.mktemp(request.param), pretrained(request.param)
    export_program(request.param, weights, folder / "program.pt")
    export_onnx(request.param, weights, folder / "fp32.onnx")
    observe_activations(folder / "fp32.onnx", DUMMY, folder / "seen.npz", model=request.param, threads=2)
    calibrate_ranges(
        folder / "fp32.onnx",
        CalibrationSettings(name="dummy", method="minmax"),
        ranges_out=folder / "dummy.json",
        cache_out=folder / "dummy.cache",
        model=request.param,
        observed=folder / "seen.npz",
    )
    quantize_onnx(folder / "fp32.onnx", folder / "dummy.json", folder / "int8-dummy.onnx")
    forms = {"fp32": form_of("onnxruntime", "float"), "int8-dummy": form_of("onnxruntime", "int8")}
    for precision, form in forms.items():
        write_form(folder / f"{precision}.onnx", folder / f"{precision}.uint8.onnx", form)
    return folder


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """A whole photograph and a part with odd sides, with the brightest and darkest levels made extreme."""
    photograph = downsample(np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[:600, :512], "area", 2)
    stretched = np.clip((photograph.astype(np.int16) - 40) * 2, 0, 255).astype(np.uint8)
    return [photograph, stretched, photograph[20:97, 60:213]]


def upscale(runtime: str, precision: str, frames: str, model: Path, photographs: list[np.ndarray]):
    """Return the photographs, upscaled by a runtime with engines in one form, written next to the model."""
    module, settings = load_runtime(runtime), Settings(precision, 2, {"frames": frames})
    module.build(model, model.with_suffix(".engine"), settings)
    session = module.open_engine(model.with_suffix(".engine"), settings)
    return [session.run(photograph).astype(np.int16) for photograph in photographs]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=exact_int8 if case[1] == "int8-dummy" else ()) for case in CASES],
    ids=lambda case: f"{case[0]}-{case[1]}",
)
def test_both_forms_give_the_same_figures_to_one_level(case, files: Path, photographs):
    runtime, precision, by_one, by_more = case
    if precision == "bf16":
        # Emulated slowly by most processors: a part of the picture is enough.
        photographs = [photograph[20:80, 60:140] for photograph in photographs[:2]]
    plain = files / ("program.pt" if runtime == "pytorch" else f"{precision}.onnx")
    folded = plain.with_suffix(".uint8.onnx") if runtime == "onnxruntime" else plain
    inside = upscale(runtime, precision, "uint8", folded, photographs)
    outside = upscale(runtime, precision, "float32", plain, photographs)
    for one, other, photograph in zip(inside, outside, photographs, strict=True):
        assert one.shape == other.shape == (2 * photograph.shape[0], 2 * photograph.shape[1], 3)
        difference = np.abs(one - other)
        assert np.mean(difference > 0) <= by_one
        assert np.mean(difference > 1) <= by_more
    # The stretched photograph has pixels at both ends, and the network overshoots beyond them.
    assert np.mean(inside[1] == 0) > 0.03
    assert np.mean(inside[1] == 255) > 0.03


def test_onnxruntime_writes_levels_straight_from_an_int8_convolution(files: Path):
    settings = {frames: Settings("int8-dummy", 2, {"frames": frames}) for frames in FRAMES}
    build, engine = load_runtime("onnxruntime").build, files / "counted.engine"
    folded = build(files / "int8-dummy.uint8.onnx", engine, settings["uint8"])
    plain = build(files / "int8-dummy.onnx", engine, settings["float32"])
    assert sum(folded.values()) == sum(plain.values())
    assert folded["int8_convolutions"] >= plain["int8_convolutions"]
    if files.name.startswith("espcn_rgb"):
        assert folded == {"int8_convolutions": 3, "float_convolutions": 0}
