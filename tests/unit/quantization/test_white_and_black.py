"""White stays white and black stays black in INT8, by the recipe that the default study recommends."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import yaml
from PIL import Image

from superres import models
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import load_onnx
from superres.models.settings import weights_name
from superres.quantization.layers.executor import Executor, open_graph
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration
from superres.quantization.state import StepJob, Taps, refine_onnx

from .network import write_set

ROOT = Path(__file__).parents[3]
WEIGHTS = Path(models.__path__[0]) / "weights"
PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
TUNED = next(
    calibration
    for calibration in yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["calibrations"]
    if calibration["name"] == "tuned"
)
INSIDE = slice(8, -8)
"""Beyond the reach of the border, where padding with zeros darkens the float networks too."""


def some_images(folder: Path) -> FrameFile:
    portrait = np.asarray(Image.open(PHOTOGRAPH).convert("RGB"))[100:292, 100:356]
    ramp = np.broadcast_to(np.linspace(0, 255, 256).round().astype(np.uint8)[None, :, None], (192, 256, 3))
    return FrameFile(write_set(folder, [portrait, 255 - portrait, ramp]), 3)


def tuned(model: str, images: FrameFile, folder: Path) -> tuple[Path, Path]:
    """Return the FP32 graph and the INT8 graph by the default study's recipe, on some images."""
    calibration = Calibration.model_validate(
        TUNED | {"data": {"type": "calibration-set", "name": "some", "images": 3}}
    )
    fp32, ranges, observed = folder / "fp32.onnx", folder / "0.json", folder / "observed.npz"
    export_onnx(model, WEIGHTS / f"{weights_name(model)}.safetensors", fp32)
    observe_activations(fp32, images, observed, model=model, threads=1)
    out = {"ranges_out": ranges, "cache_out": folder / "cache"}
    calibrate_ranges(fp32, calibration, model=model, observed=observed, **out)
    states = [(fp32, ranges)] + [
        (folder / f"{i}.onnx", folder / f"{i}.json") for i in range(1, 1 + len(calibration.steps))
    ]
    for step, (before, after) in zip(calibration.steps, pairwise(states), strict=True):
        fast = {"pixels": 1000} if step == "adaround" else {}
        job = StepJob(model, calibration, images, STEPS[step].settings(**fast), 1, observed)
        refine_onnx(*before, step, job, onnx_out=after[0], ranges_out=after[1])
    quantize_onnx(*states[-1], folder / "int8.onnx")
    return fp32, folder / "int8.onnx"


@pytest.mark.parametrize("model", ["espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor"])
def test_white_and_black(model: str, tmp_path: Path) -> None:
    fp32, int8 = tuned(model, some_images(tmp_path), tmp_path)
    float_network = Taps(load_onnx(fp32), ["upscaled"], 1)
    sessions = [
        open_graph(load_onnx(int8), Executor(runtime, "uint8", 1, size=(40, 48))).session
        for runtime in ("onnxruntime", "openvino")
    ]
    for level in (255, 0):
        frame = np.full((40, 48, 3), level, np.uint8)
        planes = np.full((1, 3, 40, 48), level / 255, np.float32)
        wanted = np.rint(255 * float_network.run(planes)["upscaled"][0].transpose(1, 2, 0).astype(np.float64))
        assert np.abs(wanted[INSIDE, INSIDE] - level).max() <= 1
        for session in sessions:
            found = session.run(frame).astype(int)
            assert np.abs(found[INSIDE, INSIDE] - level).max() <= 1
            # Nor is a border far darker or of another colour than in float.
            assert np.abs(found - wanted).max() <= 16
            assert np.abs((found - wanted).mean(axis=(0, 1))).max() < 1
