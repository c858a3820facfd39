"""The loss of each part of each layer: every graph against float64, in both runtimes, and against an arm."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from processors import exact_int8
from superres.device.base.errors import UserError
from superres.device.frames.psnr import PAPER
from superres.device.job import Job
from superres.device.tasks.worker import run_job
from superres.models.graphs.uint8.forms import form_of, write_form
from superres.quantization.layers.executor import Executor
from superres.quantization.layers.schema import PARTS, read_sensitivity
from superres.quantization.layers.sensitivity import ClipFiles, measure_sensitivity, sensitivity_variants
from superres.quantization.qdq import BOTH, Part, quantize_graph, quantize_onnx, quantized_layers
from superres.quantization.ranges.calibration import RandomImages
from superres.quantization.ranges.record import read_ranges

from ..network import build_network, calibrate, convolve, network_weights, to_space

Layers = list[tuple[np.ndarray, np.ndarray]]
LAYERS = ("c1", "c2", "c3")
SIZE = (20, 26)
RUNTIMES = ("onnxruntime", "openvino")


def executor(runtime: str) -> Executor:
    return Executor(runtime, "uint8", 1)


def rounded(values: np.ndarray, scale: Any) -> np.ndarray:
    return np.clip(np.rint(values / scale), -128, 127) * scale


def forward(
    frame: np.ndarray, layers: Layers, amax: dict[str, float], parts: dict[str, Collection[Part]]
) -> np.ndarray:
    """What a network makes of a uint8 frame in float64, with these parts of its layers quantised: 8-bit
    levels."""
    data = np.moveaxis(frame, 2, 0) / 255
    for layer, name, (stored, bias) in zip(LAYERS, ("frame", "r1", "r2"), layers, strict=True):
        weights = stored.astype(np.float64)
        quantized = parts.get(layer, ())
        if "activations" in quantized:
            data = rounded(data, np.float64(np.float32(amax[name] / 127)))
        if "weights" in quantized:
            scale = np.abs(weights).max(axis=(1, 2, 3)) / 127
            scale[scale == 0] = 1
            weights = rounded(weights, scale.astype(np.float32).astype(np.float64)[:, None, None, None])
        data = convolve(data, weights, bias)
        data = np.maximum(data, 0) if layer != "c3" else data
    return np.moveaxis(np.clip(np.rint(to_space(data) * 255), 0, 255), 0, 2)


def psnr(hr: np.ndarray, upscaled: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((hr.astype(np.float64) - upscaled) ** 2))


class Setting:
    """A network with ranges, and a clip of three frames, nearly the network's output for their LR
    twins."""

    def __init__(self, folder: Path, layers: Layers):
        self.layers = layers
        self.onnx, self.ranges = folder / "fp32.onnx", folder / "ranges.json"
        onnx.save(build_network(layers), self.onnx)
        calibrate(self.onnx, RandomImages("uniform", 3, 1, 24, 20), self.ranges)
        tensors = json.loads(self.ranges.read_text())["tensors"]
        self.amax = {name: entry["amax"] for name, entry in tensors.items()}
        rng = np.random.default_rng(5)
        self.lr = rng.integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)
        fp32 = np.stack([forward(frame, layers, self.amax, {}) for frame in self.lr])
        self.hr = np.clip(fp32 + np.rint(rng.normal(0, 5, fp32.shape)), 0, 255).astype(np.uint8)
        self.clip = ClipFiles(folder / "hr.npy", folder / "lr.npy", folder / "clip.json")
        np.save(self.clip.hr, self.hr)
        np.save(self.clip.lr, self.lr)
        shapes = {"hr_shapes": [self.hr.shape[1:3]] * 3}
        self.clip.index.write_text(json.dumps({"name": "noise", "names": ["a", "b", "c"], **shapes}))

    def measure(
        self, out: Path, runtime: str, float_layers: Collection[str] = (), frames: int | None = None
    ) -> list[dict[str, Any]]:
        measure_sensitivity(
            self.onnx,
            self.onnx,
            self.ranges,
            [self.clip],
            out,
            model="small",
            recipe="some",
            float_layers=float_layers,
            executor=executor(runtime),
            protocol=PAPER,
            frames=frames,
        )
        return read_sensitivity(out).to_dicts()


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path, network_weights())


def test_variants_are_each_part_alone_and_all_but_it() -> None:
    variants = sensitivity_variants({"first": "c1", "second": "c2"})
    assert len(variants) == 1 + 3 + 2 * 3 * 2
    by_name = {(v.layer, v.part, v.quantized): {c: set(p) for c, p in v.parts.items()} for v in variants}
    assert by_name["none", "both", "alone"] == {}
    assert by_name["all", "weights", "alone"] == {"c1": {"weights"}, "c2": {"weights"}}
    assert by_name["second", "activations", "alone"] == {"c2": {"activations"}}
    assert by_name["second", "activations", "all_but"] == {"c1": set(BOTH), "c2": {"weights"}}
    assert by_name["first", "both", "all_but"] == {"c1": set(), "c2": set(BOTH)}


@exact_int8
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_loss_is_that_of_a_float64_simulation(setting: Setting, tmp_path: Path, runtime: str) -> None:
    rows = setting.measure(tmp_path / "s.csv", runtime)
    graph = onnx.load(setting.onnx)
    layers = quantized_layers(graph, read_ranges(setting.ranges, setting.onnx), setting.onnx)
    variants = sensitivity_variants(layers)
    assert len(rows) == len(variants) == 22
    for row, variant in zip(rows, variants, strict=True):
        assert (row["layer"], row["part"], row["quantized"]) == (
            variant.layer,
            variant.part,
            variant.quantized,
        )
        made = [forward(frame, setting.layers, setting.amax, dict(variant.parts)) for frame in setting.lr]
        expected = np.mean([psnr(hr, upscaled) for hr, upscaled in zip(setting.hr, made, strict=True)])
        # Sums in float32 may round to the other side of a step.
        assert row["psnr_db"] == pytest.approx(expected, abs=0.03), row
        assert row["frames"] == 3 and row["clip"] == "noise"
    losses = {(row["layer"], row["part"], row["quantized"]): row["loss_db"] for row in rows}
    assert losses["none", "both", "alone"] == 0
    # Far more than the tolerance above: the test can fail.
    assert losses["all", "both", "alone"] > 0.3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_everything_quantised_is_the_arm(setting: Setting, tmp_path: Path, runtime: str) -> None:
    rows = setting.measure(tmp_path / "s.csv", runtime)
    source, engine, record = (tmp_path / name for name in ("int8.onnx", "engine.bin", "engine.json"))
    quantize_onnx(setting.onnx, setting.ranges, source)
    write_form(source, tmp_path / "uint8.onnx", form_of(runtime, "int8"))
    source = tmp_path / "uint8.onnx"
    options: dict[str, Any] = {"options": {"frames": "uint8"}}
    build = Job(
        "build_engine",
        runtime,
        "int8-some",
        1,
        {"model": str(source)},
        {"engine": str(engine), "record": str(record)},
        options,
    )
    run_job(build)
    clip = {"hr": str(setting.clip.hr), "lr": str(setting.clip.lr), "clip": str(setting.clip.index)}
    measured = {"quality": str(tmp_path / "q.csv"), "record": str(tmp_path / "q.json")}
    engine_files = {"engine": str(engine), "engine_record": str(record)}
    protocol = {"luma": PAPER.luma, "border": PAPER.border, **options}
    run_job(Job("measure_quality", runtime, "int8-some", 1, {**engine_files, **clip}, measured, protocol))
    values = [float(line.split(",")[5]) for line in (tmp_path / "q.csv").read_text().splitlines()[1:]]
    everything = next(row for row in rows if (row["layer"], row["part"]) == ("all", "both"))
    assert everything["psnr_db"] == pytest.approx(np.mean(values), abs=1e-9)
    assert everything["int8_convolutions"] == 3


@exact_int8
def test_a_layer_that_is_bad_on_purpose_is_found(tmp_path: Path) -> None:
    layers = network_weights()
    # A channel that is always 0, and huge weights for it: nothing in float, coarse steps for all others in
    # INT8.
    layers[0][0][3], layers[0][1][3] = 0, -1
    layers[1][0][:, 3] = 20
    rows = Setting(tmp_path, layers).measure(tmp_path / "s.csv", "openvino")
    losses = {(row["layer"], row["part"], row["quantized"]): row["loss_db"] for row in rows}
    alone = {
        (layer, part): losses[layer, part, "alone"] for layer in LAYERS for part in ("weights", "activations")
    }
    worst = max(alone, key=lambda key: alone[key])
    assert worst == ("c2", "weights")
    assert alone[worst] > 5 * max(loss for key, loss in alone.items() if key != worst)
    # Kept in float, it wins nearly everything back; no other does.
    assert losses["c2", "weights", "all_but"] < 0.5 * losses["all", "both", "alone"]
    assert losses["c1", "both", "all_but"] > 0.8 * losses["all", "both", "alone"]


def test_frames_are_spread_evenly(setting: Setting, tmp_path: Path) -> None:
    (row, *_) = setting.measure(tmp_path / "s.csv", "openvino", frames=2)
    fp32 = [forward(frame, setting.layers, setting.amax, {}) for frame in setting.lr]
    values = [psnr(hr, upscaled) for hr, upscaled in zip(setting.hr, fp32, strict=True)]
    # The first and the second of three, and not the mean of all.
    assert row["fp32_psnr_db"] == pytest.approx(np.mean(values[:2]), abs=1e-3)
    assert row["frames"] == 2 and abs(np.mean(values[:2]) - np.mean(values)) > 2e-3
    assert setting.measure(tmp_path / "t.csv", "openvino", frames=9)[0]["frames"] == 3


@exact_int8
def test_the_added_error_is_that_of_all_frames_together(setting: Setting, tmp_path: Path) -> None:
    rows = setting.measure(tmp_path / "s.csv", "openvino")

    def error(parts: dict[str, Collection[Part]]) -> float:
        made = (forward(frame, setting.layers, setting.amax, parts) for frame in setting.lr)
        psnrs = [psnr(hr, upscaled) for hr, upscaled in zip(setting.hr, made, strict=True)]
        return float(np.mean([255**2 / 10 ** (value / 10) for value in psnrs]))

    added = {(row["layer"], row["part"], row["quantized"]): row["added_mse"] for row in rows}
    expected = error(dict.fromkeys(LAYERS, BOTH)) - error({})
    assert added["none", "both", "alone"] == 0
    assert added["all", "both", "alone"] == pytest.approx(expected, rel=0.05)


def test_the_same_inputs_give_the_same_bytes(setting: Setting, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        setting.measure(tmp_path / name, "openvino")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@exact_int8
def test_layers_that_stay_in_float_are_no_part_of_it(setting: Setting, tmp_path: Path) -> None:
    rows = setting.measure(tmp_path / "s.csv", "openvino", float_layers=["c1"])
    assert {row["layer"] for row in rows} == {"none", "all", "c2", "c3"}
    everything = next(row for row in rows if (row["layer"], row["part"]) == ("all", "both"))
    made = [forward(frame, setting.layers, setting.amax, {"c2": BOTH, "c3": BOTH}) for frame in setting.lr]
    expected = np.mean([psnr(hr, upscaled) for hr, upscaled in zip(setting.hr, made, strict=True)])
    assert everything["psnr_db"] == pytest.approx(expected, abs=0.03)
    with pytest.raises(UserError, match="expected a layer that is quantised, found that all stay in float"):
        setting.measure(tmp_path / "t.csv", "openvino", float_layers=LAYERS)
    assert not (tmp_path / "t.csv").exists()


def test_data_that_two_convolutions_read_is_rounded_for_one_alone(setting: Setting) -> None:
    graph = onnx.load(setting.onnx)
    nodes = graph.graph.node
    beside = onnx.helper.make_node("Conv", ["r1", "w2", "b2"], ["beside"], pads=[1] * 4)
    nodes.insert([node.output[0] for node in nodes].index("r2"), beside)
    ranges = read_ranges(setting.ranges, setting.onnx)
    parts = {"c2": PARTS["both"], "beside": PARTS["weights"]}
    model = quantize_graph(graph, ranges, setting.onnx, parts=parts)
    inputs = {node.output[0]: list(node.input[:2]) for node in model.graph.node if node.op_type == "Conv"}
    assert inputs["c2"] == ["r1_dequantized", "w2_dequantized"]
    assert inputs["beside"] == ["r1", "w2_dequantized"]
