"""Every model in every kind of INT8: what NVIDIA's builder makes of the graph, and what the other runtimes
execute.

Read from their own executed or built graphs, never from the file.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superres import models
from superres.device.runtimes import onnxruntime, openvino
from superres.device.runtimes.base import Settings
from superres.models.export import export_onnx
from superres.models.graphs.onnx_file import Convolution, find_convolutions, kept_float, load_onnx
from superres.models.graphs.uint8.levels import write_levels
from superres.models.settings import weights_name
from superres.quantization.qdq import quantize_onnx
from superres.quantization.ranges.calibrate import calibrate_ranges
from superres.quantization.ranges.calibration import FrameFile
from superres.quantization.ranges.observation import observe_activations
from superres.quantization.recipes import STEPS, parse_recipe
from superres.quantization.settings import CalibrationSettings
from superres.quantization.state import StepJob, refine_onnx

from .network import write_set

MODELS = ("espcn_rgb", "espcn_ycbcr", "espcn_ycbcr_folded", "espcn_anchor", "plain_c16_m4")
WEIGHTS = Path(models.__path__[0]) / "weights"
QAT = {"steps": 4, "batch": 1, "patch": 16, "learning_rate": 1e-4, "range_learning_rate": 1e-3, "seed": 0}
SETTINGS = {
    "bias": {"images": 2},
    "adaround": {"images": 2, "pixels": 400, "seed": 0},
    "qat": QAT,
    "pow2search": {"images": 1, "sweeps": 1},
}
RECIPES = [
    "minmax",
    "mse+center",
    "entropy+bias",
    "percentile+equalize",
    "percentile+balance+asymmetric+reducerange+adaround",
    "mse+center+adaround",
    "minmax+pertensor+adaround",
    "mse+center+qat",
    "minmax+pow2",
    "minmax+pow2search",
    "mse+asymmetric",
    "mse+asymmetric+adaround+anchor",
]

Make = Callable[[str], Path]


def some_images(folder: Path) -> FrameFile:
    random = np.random.default_rng(0)
    # Entropy needs a histogram without holes: with few levels it clips nearly all, which is an error.
    grown = np.kron(random.integers(30, 220, (6, 8, 12, 3)), np.ones((1, 6, 6, 1)))
    frames = np.clip(grown + random.normal(0, 40, grown.shape), 0, 255).astype(np.uint8)
    frames[:, 0, 0] = 255
    return FrameFile(write_set(folder, list(frames)))


@pytest.fixture(scope="module", params=MODELS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make the Q/DQ graph of a recipe for one of the shipped models."""
    name = request.param
    folder = tmp_path_factory.mktemp(name)
    images = some_images(folder)
    fp32 = folder / "fp32.onnx"
    export_onnx(name, WEIGHTS / f"{weights_name(name)}.safetensors", fp32)
    observe_activations(fp32, images, folder / "observed.npz", model=name, threads=1)

    def state(recipe: str) -> tuple[Path, Path]:
        onnx, ranges = folder / f"{recipe}.onnx", folder / f"{recipe}.json"
        before, _, step = recipe.rpartition("+")
        calibration = CalibrationSettings(name="some", method=parse_recipe(recipe).calibration)
        if not before:
            if not ranges.exists():
                calibrate_ranges(
                    fp32,
                    calibration,
                    ranges_out=ranges,
                    cache_out=folder / "cache",
                    model=name,
                    observed=folder / "observed.npz",
                )
            return fp32, ranges
        if not ranges.exists():
            settings = STEPS[step].settings(**SETTINGS.get(step, {}))
            job = StepJob(name, calibration, images, settings, measured=folder / "observed.npz")
            refine_onnx(*state(before), step, job, onnx_out=onnx, ranges_out=ranges)
        return onnx, ranges

    def make(recipe: str) -> Path:
        path = folder / f"int8-{recipe}.onnx"
        if not path.exists():
            quantize_onnx(*state(recipe), path)
        return path

    return make


def test_every_step_is_among_the_recipes() -> None:
    # Layers that mixed keeps in float aren't in INT8.
    assert {step for recipe in RECIPES for step in parse_recipe(recipe).steps} == set(STEPS) - {"mixed"}


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if "asymmetric" not in recipe])
def test_nvidias_builder_multiplies_int8_by_int8(make: Make, recipe: str) -> None:
    # Skips where TensorRT-RTX is not made for the machine.
    from ..device.rtx import assert_int8_convolutions

    assert_int8_convolutions(make(recipe))


def layers_of(path: Path) -> list[Convolution]:
    """The convolutions of a graph that aren't kept in float."""
    return find_convolutions(load_onnx(path))


@pytest.mark.parametrize("recipe", RECIPES)
def test_openvino_executes_int8(make: Make, recipe: str, tmp_path: Path) -> None:
    path = make(recipe)
    facts = openvino.build(path, tmp_path / "engine", Settings("int8-some", 1, {"frames": "uint8"}))
    found = facts["convolutions"]
    assert found.pop("i8", 0) + found.pop("u8", 0) == len(layers_of(path))
    assert sum(found.values()) == len(kept_float(load_onnx(path)))


@pytest.mark.parametrize("recipe", RECIPES)
def test_onnxruntime_executes_int8(make: Make, recipe: str, tmp_path: Path) -> None:
    write_levels(make(recipe), tmp_path / "levels.onnx")
    settings = Settings("int8-some", 1, {"frames": "uint8"})
    facts = onnxruntime.build(tmp_path / "levels.onnx", tmp_path / "engine", settings)
    nodes = load_onnx(tmp_path / "levels.onnx").graph.node
    layers = layers_of(tmp_path / "levels.onnx")
    last = layers[-1].result
    quantized = any(node.op_type == "QuantizeLinear" and node.input[0] == last for node in nodes)
    # It needs a QuantizeLinear after an INT8 convolution, which the last one has only where levels follow at
    # once.
    assert facts["int8_convolutions"] == len(layers) - (not quantized)
