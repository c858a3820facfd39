"""The target `evaluate`: PSNR alone, by the protocol that the study names, against figures computed here."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from safetensors.numpy import load_file

from project_copy import Project, read_jobs
from unit.models import oracle

STUDY = """
study: sets
clips:
  - {name: set5, downsampling: bicubic-matlab, optional: true, source: {type: images, path: Set5}}
  - {name: set14, downsampling: bicubic-matlab, optional: true, source: {type: images, path: Set14}}
quality: {luma: studio-swing, border: 2}
models: [{name: espcn_ycbcr}, {name: bicubic, kernel: matlab}]
runtimes:
  - {name: onnxruntime, precisions: [fp32]}
  - {name: opencv, precisions: [uint8]}
"""


def make_images(folder: Path) -> dict[str, np.ndarray]:
    """Images of a set, of odd sizes, one greyscale, one with alpha; as RGB, of even sizes."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:33, :41]
    waves = (
        128
        + 70 * np.sin(y / 3 + x / 5)[..., None] * np.array([1.0, 0.7, -0.8])
        + rng.normal(0, 6, (33, 41, 3))
    )
    rgb = np.clip(np.rint(waves), 0, 255).astype(np.uint8)
    Image.fromarray(rgb).save(folder / "a.png")
    Image.fromarray(rgb[:30, :28, 0]).save(folder / "b.png")
    alpha = np.full((26, 37, 1), 200, np.uint8)
    Image.fromarray(np.concatenate([rgb[:26, :37], alpha], axis=2)).save(folder / "c.png")
    return {"a": rgb[:32, :40], "b": rgb[:30, :28, :1].repeat(3, axis=2), "c": rgb[:26, :36]}


def keys_matrix(count: int, factor: float) -> np.ndarray:
    """MATLAB's imresize by 2 or 1/2 along one direction, as a dense matrix: mirrored border, antialiased."""
    out_count, stretch = int(count * factor), max(1.0, 1 / factor)
    matrix = np.zeros((out_count, count))
    for out in range(out_count):
        centre = (out + 0.5) / factor - 0.5
        taps = np.arange(np.floor(centre - 2 * stretch), np.ceil(centre + 2 * stretch) + 1).astype(int)
        weights = np.array([oracle.cubic((tap - centre) / stretch, -0.5) for tap in taps])
        for tap, weight in zip(taps, weights / weights.sum(), strict=True):
            place = tap % (2 * count)
            matrix[out, min(place, 2 * count - 1 - place)] += weight
    return np.rint(matrix * 256) / 256


def levels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255)


def halve(hr: np.ndarray) -> np.ndarray:
    """LR as imresize makes it of 8 bits: columns first, halves up, both times."""
    columns = np.einsum("ih,hwc->iwc", keys_matrix(hr.shape[0], 0.5), hr.astype(float))
    columns = np.clip(np.floor(columns + 0.5), 0, 255)
    return np.clip(np.floor(np.einsum("jw,iwc->ijc", keys_matrix(hr.shape[1], 0.5), columns) + 0.5), 0, 255)


def double(lr: np.ndarray) -> np.ndarray:
    rows, columns = keys_matrix(lr.shape[0], 2), keys_matrix(lr.shape[1], 2)
    return levels(np.einsum("ih,hwc,jw->ijc", rows, lr, columns))


def espcn_ycbcr(lr: np.ndarray, project: Project) -> np.ndarray:
    tensors = load_file(project.folder / "src/superres/models/weights/espcn_ycbcr.safetensors")
    weights = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    return levels(
        255 * oracle.espcn_ycbcr(lr.transpose(2, 0, 1) / 255, weights, "bicubic").transpose(1, 2, 0)
    )


def psnr_y(hr: np.ndarray, upscaled: np.ndarray) -> float:
    error = ((hr - upscaled) @ np.array([65.481, 128.553, 24.966]) / 255)[2:-2, 2:-2]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def test_figures_of_a_set_by_the_literatures_protocol(project: Project):
    originals = make_images(project.folder / "Set5")
    study = project.write_study("sets", STUDY)
    done = project.snakemake("--cores", "2", "evaluate", "--configfile", study)
    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.count("study sets: Clip `set14` is left out: Set14 isn't there.") == 1
    for name in ("b.png: L", "c.png: RGBA"):
        assert f"Set5/{name} image converted to 8-bit RGB" in done.stdout
    results = project.folder / "results/sets"
    assert not list(results.rglob("latency*"))

    rows = {row["model"]: row for row in pl.read_csv(results / "evaluation.csv").iter_rows(named=True)}
    halved = {name: halve(hr) for name, hr in originals.items()}
    bicubic = [psnr_y(hr, double(halved[name])) for name, hr in originals.items()]
    assert abs(rows["bicubic"]["psnr_y_db"] - np.mean(bicubic)) < 1e-9
    network = [psnr_y(hr, espcn_ycbcr(halved[name], project)) for name, hr in originals.items()]
    # float32 moves a level of a few pixels.
    assert abs(rows["espcn_ycbcr"]["psnr_y_db"] - np.mean(network)) < 2e-3
    assert abs(np.mean(network) - np.mean(bicubic)) > 0.02

    text = (results / "evaluation.md").read_text(encoding="utf-8")
    assert f"{np.mean(bicubic):.2f}" in text
    assert "Clip `set14` is left out" in text
    assert "No published figures for `set5`: they use 5 images, this study 3." in text


COMPARISONS = """
study: comparisons
clips:
  - {name: set5, downsampling: bicubic, source: {type: images, path: Set5}}
calibrations:
  - {name: dummy, data: &dummy {type: random, width: 48, height: 40}}
  - {name: other, data: {<<: *dummy, seed: 1}}
  - {name: ort, method: onnxruntime, data: *dummy}
sweep: {calibrations: [dummy], images: [1, 2], runtime: onnxruntime}
models: [{name: espcn_rgb}]
runtimes: [{name: onnxruntime, precisions: [fp32, int8-dummy, int8-other, int8-ort]}]
"""


def test_seeds_numbers_of_images_and_others_tools_are_compared(project: Project):
    make_images(project.folder / "Set5")
    study = project.write_study("comparisons", COMPARISONS)
    done = project.snakemake("--cores", "2", "evaluate", "--configfile", study)
    assert done.returncode == 0, done.stdout[-6000:]
    results = project.folder / "results/comparisons"
    psnr_y = dict(pl.read_csv(results / "evaluation.csv").select("precision", "psnr_y_db").iter_rows())
    assert list(psnr_y) == ["fp32", "int8-dummy", "int8-ort", "int8-other", "int8-dummyof2"]

    losses = [psnr_y["fp32"] - psnr_y[name] for name in ("int8-dummy", "int8-other")]
    spread = [f"{value:.3f}" for value in (sum(losses) / 2, min(losses), max(losses))]
    text = (results / "evaluation.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "of uniform dummy data" in line)
    assert [cell.strip() for cell in line.strip("|").split("|")][4:] == ["2", *spread]
    assert (results / "plots/images.svg").stat().st_size > 10_000

    rows = {row["precision"]: row for row in pl.read_csv(results / "tools.csv").iter_rows(named=True)}
    assert set(rows) == {"fp32", "int8-dummy", "int8-ort"}
    assert rows["int8-ort"]["psnr_y_loss_db"] == pytest.approx(psnr_y["fp32"] - psnr_y["int8-ort"], abs=1e-12)
    # Theirs has INT8 weights, ours FP32 ones with Q/DQ behind them; both run in INT8.
    assert rows["int8-ort"]["onnx_bytes"] < rows["int8-dummy"]["onnx_bytes"] / 3
    assert rows["int8-ort"]["int8_convolutions"] == rows["int8-dummy"]["int8_convolutions"] == 3
    record = json.loads((results / "onnx/espcn_rgb/int8-ort.json").read_text(encoding="utf-8"))
    assert record["tool"] == "onnxruntime" and record["data"]["kind"] == "uniform"


def test_the_tiny_study_is_evaluated_without_timing(project: Project, tiny: Project):
    jobs = read_jobs(project.snakemake("-n", "evaluate", "--configfile=studies/tiny.yaml").stdout)
    assert jobs["measure_quality"] == jobs["build_engine"] == 19
    assert jobs["collect_evaluation"] == jobs["write_evaluation"] == 1
    assert not {"measure_latency", "write_manifest", "collect_metrics"} & set(jobs)

    # After `all`, nothing is measured again, and the figures are those of metrics.csv.
    again = read_jobs(tiny.snakemake("-n", "evaluate", "--configfile=studies/tiny.yaml").stdout)
    assert set(again) == {"collect_evaluation", "write_evaluation", "evaluate", "total"}
    done = tiny.snakemake("--cores", "2", "evaluate", "--configfile=studies/tiny.yaml")
    assert done.returncode == 0, done.stdout[-4000:]
    results = tiny.folder / "results/tiny"
    metrics, evaluation = (pl.read_csv(results / f"{name}.csv") for name in ("metrics", "evaluation"))
    shared = ["target", "runtime", "model", "precision", "clip", "psnr_db", "psnr_y_db", "luma", "border"]
    assert evaluation.select(shared).equals(metrics.select(shared))
    assert set(evaluation["luma"]) == {"full-range"}


def test_a_benchmark_set_alone_is_evaluated(project: Project):
    make_images(project.folder / "images")
    (project.folder / "resources").mkdir()
    (project.folder / "resources/B100").symlink_to(project.folder / "images")
    done = project.snakemake("-n", "evaluate", "--configfile=studies/benchmark-sets.yaml")
    assert done.returncode == 0, done.stdout
    jobs = read_jobs(done.stdout)
    assert jobs["measure_quality"] == jobs["build_engine"] == 76
    # The name stays what it is when further sets appear.
    assert "quality.b100.csv" in done.stdout
    assert done.stdout.count("is left out") == 3
