"""The schemas of `metrics.csv` and `evaluation.csv`: one row is one arm on one clip."""

from pathlib import Path

import dataframely as dy
import polars as pl

from superres.device.psnr import LUMAS
from superres.tables import read_rows

IDENTITY = ("target", "runtime", "model", "precision", "clip")
FIGURES = (
    "frames",
    "psnr_db",
    "psnr_y_db",
    "psnr_of_mean_db",
    "psnr_y_of_mean_db",
    "fps",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "compute_p50_ms",
    "iterations",
    "threads",
    "engine_bytes",
    "engine_sha256",
    "runtime_version",
)
"""What an arm that ran has, all of it, and one that did not run has none of."""

EVALUATED = ("images", "psnr_y_db", "psnr_db", "engine_sha256", "runtime_version")
"""The same of an arm that is evaluated only."""

_SHA256 = r"^[0-9a-f]{64}$"
_STATUS = r"^(ok|not run: .+)$"


def _psnr(description: str) -> dy.Float64:
    return dy.Float64(nullable=True, allow_inf=True, description=description)


def _positive(description: str) -> dy.Float64:
    return dy.Float64(nullable=True, min_exclusive=0.0, description=description)


def _count(description: str) -> dy.Int64:
    return dy.Int64(nullable=True, min=1, description=description)


def _luma() -> dy.String:
    return dy.String(regex=f"^({'|'.join(LUMAS)})$", description="what PSNR_Y is measured on")


def _border() -> dy.Int64:
    return dy.Int64(min=0, description="HR pixels at each side that are left out of PSNR and PSNR_Y")


class Metrics(dy.Schema):
    """Metrics of all arms of a study; the columns' order is the file's."""

    target = dy.String(primary_key=True, description="machine that ran the arm")
    runtime = dy.String(primary_key=True, description="what executed the engine")
    model = dy.String(primary_key=True, description="architecture with weights, or bicubic")
    precision = dy.String(primary_key=True, description="fp32, fp16, bf16, uint8 or int8-<calibration>")
    clip = dy.String(primary_key=True, description="frames that were evaluated")
    frames = _count("evaluated frames")
    psnr_db = _psnr("mean over frames of the PSNR over R, G, B (Eq. 1)")
    psnr_y_db = _psnr("mean over frames of the PSNR of luma (Eq. 2)")
    psnr_of_mean_db = _psnr("PSNR of the squared error's mean over frames")
    psnr_y_of_mean_db = _psnr("the same of luma")
    luma = _luma()
    border = _border()
    fps = _positive("1000 / latency_p50_ms")
    latency_p50_ms = _positive("median from uint8 frame in memory to uint8 frame in memory")
    latency_p90_ms = _positive("its 90th percentile")
    latency_p99_ms = _positive("its 99th percentile")
    compute_p50_ms = _positive("median of the runtime alone")
    iterations = _count("timed frames")
    threads = _count("threads of the timed runtime")
    engine_bytes = dy.Int64(nullable=True, min=0, description="size of the engine's file")
    engine_sha256 = dy.String(nullable=True, regex=_SHA256, description="SHA-256 of the engine's file")
    onnx_sha256 = dy.String(nullable=True, regex=_SHA256, description="SHA-256 of the ONNX file behind it")
    seed = dy.Int64(nullable=True, description="seed of the study")
    runtime_version = dy.String(nullable=True, description="version of the runtime")
    manifest = dy.String(description="the arm's manifest: all that stands behind this row")
    manifest_sha256 = dy.String(regex=_SHA256, description="SHA-256 of the manifest")
    status = dy.String(regex=_STATUS, description="ok, or why the arm did not run")

    @dy.rule()
    def ok_means_all_figures(self) -> pl.Expr:
        """An arm that ran has every figure."""
        return (pl.col("status") != "ok") | pl.all_horizontal(pl.col(FIGURES).is_not_null())

    @dy.rule()
    def not_run_means_no_figure(self) -> pl.Expr:
        """An arm that did not run has no figure."""
        return (pl.col("status") == "ok") | pl.all_horizontal(pl.col(FIGURES).is_null())

    @dy.rule()
    def fps_is_of_the_median(self) -> pl.Expr:
        """FPS is nothing but the median's inverse."""
        return ((pl.col("fps") * pl.col("latency_p50_ms") / 1000) - 1).abs() < 1e-9


class Evaluation(dy.Schema):
    """PSNR of all arms of a study on all its clips; the columns' order is the file's."""

    target = dy.String(primary_key=True, description="machine that ran the arm")
    runtime = dy.String(primary_key=True, description="what executed the engine")
    model = dy.String(primary_key=True, description="architecture with weights, or bicubic")
    precision = dy.String(primary_key=True, description="fp32, fp16, bf16, uint8 or int8-<calibration>")
    clip = dy.String(primary_key=True, description="images that were evaluated")
    images = _count("evaluated images")
    psnr_y_db = _psnr("mean over images of the PSNR of luma")
    psnr_db = _psnr("mean over images of the PSNR over R, G, B")
    luma = _luma()
    border = _border()
    downsampling = dy.String(description="kernel that made LR from HR")
    engine_sha256 = dy.String(nullable=True, regex=_SHA256, description="SHA-256 of the engine's file")
    runtime_version = dy.String(nullable=True, description="version of the runtime")
    status = dy.String(regex=_STATUS, description="ok, or why the arm did not run")

    @dy.rule()
    def ok_means_all_figures(self) -> pl.Expr:
        """An arm that ran has every figure."""
        return (pl.col("status") != "ok") | pl.all_horizontal(pl.col(EVALUATED).is_not_null())

    @dy.rule()
    def not_run_means_no_figure(self) -> pl.Expr:
        """An arm that did not run has no figure."""
        return (pl.col("status") == "ok") | pl.all_horizontal(pl.col(EVALUATED).is_null())


def read_metrics(path: Path) -> dy.DataFrame[Metrics]:
    """Read and check `metrics.csv`; raises UserError if it is not one."""
    return read_rows(Metrics, path, "the metrics of a study")


def read_evaluation(path: Path) -> dy.DataFrame[Evaluation]:
    """Read and check `evaluation.csv`; raises UserError if it is not one."""
    return read_rows(Evaluation, path, "the evaluation of a study")
