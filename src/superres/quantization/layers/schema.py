"""The schemas of tables about a model's layers, with columns in file order, and their names of layers."""

from collections.abc import Mapping
from pathlib import Path

import dataframely as dy
import polars as pl

from superres.csv_rows import read_rows
from superres.quantization.qdq import BOTH, Part

ALL, NONE = "all", "none"
"""Stand for all layers, and for none, in place of a layer's name."""

Subset = tuple[str, ...]
"""Layers that stay in float, in the graph's order."""

PARTS: Mapping[str, frozenset[Part]] = {
    "weights": frozenset(("weights",)),
    "activations": frozenset(("activations",)),
    "both": BOTH,
}

_SHA256 = r"^[0-9a-f]{64}$"
_LAYERS = r"^(none|[A-Za-z0-9_./:-]+( [A-Za-z0-9_./:-]+)*)$"


def _psnr(description: str) -> dy.Float64:
    return dy.Float64(description=description)


def _added() -> dy.Float64:
    return dy.Float64(description="mean squared error over R, G, B minus that in FP32, in levels squared")


def _float_layers() -> dy.String:
    return dy.String(
        primary_key=True, regex=_LAYERS, description="layers that stay in float, a space between, or none"
    )


def _sha256(description: str) -> dy.String:
    return dy.String(regex=_SHA256, description=f"SHA-256 of {description}")


class Sensitivity(dy.Schema):
    """The loss of each part of each layer of a model on a clip: one row is one graph."""

    model = dy.String(primary_key=True, description="the model")
    recipe = dy.String(primary_key=True, description="the part after int8-: a recipe, or a name for one")
    runtime = dy.String(primary_key=True, description="what executed the graph")
    clip = dy.String(primary_key=True, description="frames that were evaluated")
    layer = dy.String(primary_key=True, description="a layer, or all, or none")
    part = dy.String(primary_key=True, regex="^(weights|activations|both)$", description="what of the layer")
    quantized = dy.String(
        primary_key=True,
        regex="^(alone|all_but)$",
        description="alone: only this is quantised; all_but: everything but this is",
    )
    frames = dy.Int64(min=1, description="evaluated frames")
    border = dy.Int64(min=0, description="HR pixels at each side that are left out of PSNR")
    psnr_db = _psnr("mean over frames of the PSNR over R, G, B (Eq. 1)")
    fp32_psnr_db = _psnr("the same of the model in FP32")
    loss_db = dy.Float64(description="fp32_psnr_db - psnr_db")
    added_mse = _added()
    int8_convolutions = dy.Int64(min=0, description="convolutions that the runtime executed in INT8")
    threads = dy.Int64(min=1, description="threads of the runtime")
    runtime_version = dy.String(description="version of the runtime")
    onnx_sha256 = _sha256("the graph that is quantised")
    ranges_sha256 = _sha256("the ranges that it is quantised by")

    @dy.rule()
    def loss_is_the_difference(self) -> pl.Expr:
        """The loss is the difference to FP32."""
        return (pl.col("fp32_psnr_db") - pl.col("psnr_db") - pl.col("loss_db")).abs() < 1e-9


class SubsetLosses(dy.Schema):
    """The loss of a model on calibration images with some layers in float: one row is one subset."""

    model = dy.String(primary_key=True, description="the model")
    recipe = dy.String(primary_key=True, description="the recipe that its layers are quantised by")
    runtime = dy.String(primary_key=True, description="what executed the graph")
    float_layers = _float_layers()
    layers = dy.Int64(min=1, description="layers that the recipe quantises")
    images = dy.Int64(min=1, description="calibration images, each taken as HR")
    downsampling = dy.String(description="kernel that made their LR twins")
    border = dy.Int64(min=0, description="HR pixels at each side that are left out of PSNR")
    psnr_of_mean_db = _psnr("PSNR over R, G, B of the images' mean squared error")
    fp32_psnr_of_mean_db = _psnr("the same of the model in FP32")
    loss_db = dy.Float64(description="fp32_psnr_of_mean_db - psnr_of_mean_db")
    added_mse = _added()
    int8_convolutions = dy.Int64(min=0, description="convolutions that the runtime executed in INT8")
    threads = dy.Int64(min=1, description="threads of the runtime")
    runtime_version = dy.String(description="version of the runtime")
    onnx_sha256 = _sha256("the graph that is quantised")
    ranges_sha256 = _sha256("the ranges that it is quantised by")

    @dy.rule()
    def loss_is_the_difference(self) -> pl.Expr:
        """The loss is the difference to FP32."""
        return (pl.col("fp32_psnr_of_mean_db") - pl.col("psnr_of_mean_db") - pl.col("loss_db")).abs() < 1e-9


class SubsetTimes(dy.Schema):
    """The time of a frame with some layers in float: one row is one subset in one round."""

    model = dy.String(primary_key=True, description="the model")
    recipe = dy.String(primary_key=True, description="the recipe that its layers are quantised by")
    runtime = dy.String(primary_key=True, description="what executed the graph")
    round = dy.Int64(primary_key=True, min=0, description="in which all subsets took their turn")
    frame = dy.Int64(min=0, description="index of the calibration image")
    float_layers = _float_layers()
    milliseconds = dy.Float64(
        min_exclusive=0.0, description="from uint8 frame in memory to uint8 frame in memory"
    )
    threads = dy.Int64(min=1, description="threads of the runtime")
    runtime_version = dy.String(description="version of the runtime")
    onnx_sha256 = _sha256("the graph that is quantised")
    ranges_sha256 = _sha256("the ranges that it is quantised by")


class Frontier(dy.Schema):
    """Loss and time of each subset of layers in float: one row is one subset."""

    model = dy.String(primary_key=True, description="the model")
    recipe = dy.String(primary_key=True, description="the recipe that its layers are quantised by")
    runtime = dy.String(primary_key=True, description="what executed the graph")
    float_layers = _float_layers()
    layers = dy.Int64(min=1, description="layers that the recipe quantises")
    loss_db = dy.Float64(description="PSNR lost on calibration images against the model in FP32")
    added_mse = _added()
    psnr_of_mean_db = _psnr("PSNR over R, G, B of these images' mean squared error, each taken as HR")
    images = dy.Int64(min=1, description="number of these images")
    downsampling = dy.String(description="kernel that made their LR twins")
    time_ratio = dy.Float64(
        min_exclusive=0.0, description="median over rounds of the time a frame, that of none in float being 1"
    )
    time_ratio_q1 = dy.Float64(min_exclusive=0.0, description="its lower quartile")
    time_ratio_q3 = dy.Float64(min_exclusive=0.0, description="its upper quartile")
    latency_p50_ms = dy.Float64(min_exclusive=0.0, description="median milliseconds a frame")
    rounds = dy.Int64(min=1, description="in which all subsets took their turn")
    int8_convolutions = dy.Int64(min=0, description="convolutions that the runtime executed in INT8")
    on_frontier = dy.Bool(description="whether no other subset is as good in both, and better in one")
    threads = dy.Int64(min=1, description="threads of the timed runtime")
    runtime_version = dy.String(description="version of the runtime")
    onnx_sha256 = _sha256("the graph that is quantised")
    ranges_sha256 = _sha256("the ranges that it is quantised by")


def subset_text(subset: Subset) -> str:
    """Return a subset as tables write it: names of layers with a space between, or none."""
    return " ".join(subset) or NONE


def parse_subset(text: str) -> Subset:
    """Return the subset of a text by `subset_text`."""
    return () if text == NONE else tuple(text.split(" "))


def read_subset_losses(path: Path) -> dy.DataFrame[SubsetLosses]:
    """Return the checked rows of a file of `measure_subsets`; raises UserError for another file."""
    return read_rows(SubsetLosses, path, "losses of subsets of layers")


def read_subset_times(path: Path) -> dy.DataFrame[SubsetTimes]:
    """Return the checked rows of a file of `time_subsets`; raises UserError for another file."""
    return read_rows(SubsetTimes, path, "times of subsets of layers")


def read_frontier(path: Path) -> dy.DataFrame[Frontier]:
    """Return the checked rows of a file of `find_frontier`; raises UserError for another file."""
    return read_rows(Frontier, path, "the frontier of a model's layers in float")


def read_sensitivity(path: Path) -> dy.DataFrame[Sensitivity]:
    """Return the checked rows of a file of `measure_sensitivity`; raises UserError for another file."""
    return read_rows(Sensitivity, path, "the sensitivity of a model's layers")
