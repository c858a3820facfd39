"""Sensitivity and layers in float, really run: their figures hang together with those of the arms."""

import json
from pathlib import Path

import polars as pl
import pytest

from project_copy import Project, copy_project

STUDY = """
study: layers
models: [{name: espcn_rgb}]
sensitivity: {recipe: minmax, runtime: onnxruntime}
steps: {mixed: {budget_db: 0.2, runtime: onnxruntime}}
runtimes:
  - {name: onnxruntime, precisions: [fp32, int8-minmax, int8-minmax+mixed]}
"""
FOLDER = Path("results/layers")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny study's photograph, one model, its layers."""
    project = copy_project(tmp_path_factory.mktemp("layers"))
    project.write_study("layers", STUDY)
    files = ("studies/tiny.yaml", "studies/layers.yaml")
    found = project.snakemake("--cores", "2", "evaluate", "--configfile", *files)
    assert found.returncode == 0, found.stdout[-6000:]
    for step in ("measure_sensitivity espcn_rgb minmax", "measure_subsets", "time_subsets"):
        assert step in found.stdout
    return project


def test_everything_in_int8_is_the_arm(done: Project):
    rows = pl.read_csv(done.folder / FOLDER / "sensitivity/espcn_rgb/minmax.csv")
    arms = pl.read_csv(done.folder / FOLDER / "evaluation.csv")
    psnr = dict(zip(arms["precision"], arms["psnr_db"], strict=True))
    everything = rows.filter((pl.col("layer") == "all") & (pl.col("part") == "both"))
    assert everything["psnr_db"].item() == pytest.approx(psnr["int8-minmax"], abs=1e-9)
    assert everything["fp32_psnr_db"].item() == pytest.approx(psnr["fp32"], abs=1e-9)
    assert rows.height == 22 and set(rows["layer"]) == {"none", "all", "conv1", "conv2", "conv3"}


def test_the_arm_of_mixed_has_the_layers_of_the_frontier(done: Project):
    frontier = pl.read_csv(done.folder / FOLDER / "frontier/espcn_rgb/minmax+reducerange.csv")
    assert frontier.height == 8
    losses = dict(zip(frontier["float_layers"], frontier["loss_db"], strict=True))
    assert losses["conv1 conv2 conv3"] == 0 and losses["none"] > 0
    record = json.loads(
        (done.folder / FOLDER / "refined/espcn_rgb/minmax+reducerange+mixed.json").read_text()
    )
    *_, step = record["steps"]
    chosen = " ".join(step["float_layers"]) or "none"
    assert step["loss_db"] == losses[chosen] <= 0.2
    assert len(record["float_convolutions"]) == len(step["float_layers"]) < 3
    within = frontier.filter((pl.col("loss_db") <= 0.2) & (pl.col("int8_convolutions") > 0))
    # In steps of a hundredth.
    assert step["time_ratio"] <= min(within["time_ratio"].to_list()) + 0.01


def test_figures_are_there(done: Project):
    for name in ("sensitivity", "frontier.minmax+reducerange"):
        for kind in ("svg", "png"):
            assert (done.folder / FOLDER / f"plots/{name}.{kind}").stat().st_size > 10_000


def test_a_new_budget_takes_the_step_alone_again(done: Project):
    text = STUDY.replace("budget_db: 0.2", "budget_db: 0.3")
    done.write_study("wider", text)
    found = done.snakemake("-n", "evaluate", "--configfile", "studies/tiny.yaml", "studies/wider.yaml").stdout
    assert "refine_onnx" in found and "quantize_onnx" in found
    for name in ("time_subsets", "measure_subsets", "measure_sensitivity"):
        assert f"rule {name}:" not in found
