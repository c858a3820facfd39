"""The schemas of what is measured of a model's layers; the columns' order is the file's."""

from pathlib import Path

import dataframely as dy
import polars as pl

from superres.tables import read_rows

_SHA256 = r"^[0-9a-f]{64}$"
_LAYERS = r"^(none|[A-Za-z0-9_./:-]+( [A-Za-z0-9_./:-]+)*)$"


def _psnr(description: str) -> dy.Float64:
    return dy.Float64(allow_inf=True, description=description)


def _sha256(description: str) -> dy.String:
    return dy.String(regex=_SHA256, description=f"SHA-256 of {description}")


class Sensitivity(dy.Schema):
    """What each part of each layer of a model loses on a clip: one row is one graph."""

    model = dy.String(primary_key=True, description="the model")
    recipe = dy.String(primary_key=True, description="what stands behind int8-: a recipe, or a name for one")
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
    int8_convolutions = dy.Int64(min=0, description="convolutions that the runtime executed in INT8")
    threads = dy.Int64(min=1, description="threads of the runtime")
    runtime_version = dy.String(description="version of the runtime")
    onnx_sha256 = _sha256("the graph that is quantised")
    ranges_sha256 = _sha256("the ranges that it is quantised by")

    @dy.rule()
    def loss_is_the_difference(self) -> pl.Expr:
        """The loss is that against FP32, and nothing else."""
        return (pl.col("fp32_psnr_db") - pl.col("psnr_db") - pl.col("loss_db")).abs() < 1e-9


def read_sensitivity(path: Path) -> dy.DataFrame[Sensitivity]:
    """Read and check a file of `measure_sensitivity`; raises UserError if it is not one."""
    return read_rows(Sensitivity, path, "the sensitivity of a model's layers")
