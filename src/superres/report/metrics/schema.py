"""The schemas of `metrics.csv` and `evaluation.csv`: a row per arm and clip."""

from pathlib import Path

import dataframely as dy
import polars as pl

from superres.csv_rows import read_rows
from superres.device.frames.faults import Faults
from superres.device.frames.psnr import CAP_DB, LUMAS

FIGURES = (
    "frames",
    "psnr_db",
    "psnr_y_db",
    "psnr_of_mean_db",
    "psnr_y_of_mean_db",
    "exact_frames",
    "darkest",
    "brightest",
    *Faults._fields,
    "timed_on",
    "fps",
    "fps_compute",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "latency_mean_ms",
    "compute_p50_ms",
    "iterations",
    "first_frame_ms",
    "threads",
    "build_seconds",
    "engine_bytes",
    "engine_sha256",
    "runtime_version",
)
"""Columns that are filled for every arm that ran, and empty for the others."""

PAIRED = ("reference", "speedup", "speedup_low", "speedup_high")
"""Columns of arms that took turns with a reference, and of the reference itself; otherwise all empty."""

ADDED = ("added_mse", "added_levels")
"""Columns of arms whose FP32 ran too, on the same target and clip."""

MEASURED = (
    *PAIRED,
    *ADDED,
    "ssim_y",
    "rounds",
    "in_flight",
    "enqueue_p50_ms",
    "memory_bytes",
    "device_memory_bytes",
    "energy_mj_per_frame",
    "other_processors",
    "macs",
    "limit_ms",
    "limit_fraction",
    "quantized_convolutions",
    "float_share",
    "float_layers",
    "unaligned_share",
    "int8_convolutions",
)
"""Columns that may be filled for an arm that ran, and are empty for the others."""

EVALUATED = (
    *("images", "psnr_y_db", "psnr_db", "psnr_of_mean_db", "exact_frames", "darkest", "brightest"),
    *Faults._fields,
    *("engine_sha256", "runtime_version"),
)
"""Columns of `evaluation.csv` that are filled for every arm that ran, and empty for the others."""

_SHA256 = r"^[0-9a-f]{64}$"
_STATUS = r"^(ok|not run: .+)$"


def _psnr(description: str) -> dy.Float64:
    return dy.Float64(nullable=True, min=0.0, max=CAP_DB, description=description)


def _ssim(frames: str) -> dy.Float64:
    return dy.Float64(
        nullable=True,
        min=-1.0,
        max=1.0,
        description=f"mean over {frames} of the SSIM of luma, without those smaller than its window",
    )


def _exact(frames: str) -> dy.Int64:
    return dy.Int64(
        nullable=True, min=0, description=f"{frames} without any error, which count {CAP_DB:g} dB each"
    )


def _level(which: str) -> dy.Int64:
    return dy.Int64(nullable=True, min=0, max=255, description=f"{which} level of all upscaled pictures")


def _added() -> dy.Float64:
    return dy.Float64(
        nullable=True,
        description="mean squared error over R, G, B minus that of FP32, in the same runtime if it has FP32, "
        "in levels squared; below 0 if FP32 has more",
    )


def _added_levels() -> dy.Float64:
    return dy.Float64(nullable=True, min_exclusive=0.0, description="its root in levels, if it is positive")


def _shift(colour: str) -> dy.Float64:
    return dy.Float64(
        nullable=True,
        min=-255.0,
        max=255.0,
        description=f"mean of {colour} minus that of HR, in levels, mean over pictures",
    )


def _checkerboard() -> dy.Float64:
    return dy.Float64(
        nullable=True,
        min=0.0,
        max=510.0,
        description="largest difference between the mean errors of two of the pixels that an LR pixel "
        "becomes, in levels, mean over pictures",
    )


def _share(of: str) -> dy.Float64:
    return dy.Float64(nullable=True, min=0.0, max=1.0, description=f"share of {of}")


def _positive(description: str) -> dy.Float64:
    return dy.Float64(nullable=True, min_exclusive=0.0, description=description)


def _count(description: str) -> dy.Int64:
    return dy.Int64(nullable=True, min=1, description=description)


def _scale() -> dy.Int64:
    return dy.Int64(min=1, max=8, description="how many times as wide and high the model makes a frame")


def _luma() -> dy.String:
    return dy.String(regex=f"^({'|'.join(LUMAS)})$", description="kind of luma that PSNR_Y is measured on")


def _border() -> dy.Int64:
    return dy.Int64(min=0, description="HR pixels at each side that PSNR and PSNR_Y skip")


class Metrics(dy.Schema):
    """Metrics of all arms of a study; columns in the order of the file."""

    target = dy.String(primary_key=True, description="machine that ran the arm")
    runtime = dy.String(primary_key=True, description="what executed the engine")
    model = dy.String(primary_key=True, description="architecture with weights, or bicubic")
    precision = dy.String(
        primary_key=True, description="fp32, fp16, bf16, uint8, as-is or int8-<calibration>"
    )
    clip = dy.String(primary_key=True, description="frames that were evaluated")
    scale = _scale()
    frames = _count("evaluated frames")
    psnr_db = _psnr("mean over frames of the PSNR over R, G, B (Eq. 1)")
    psnr_y_db = _psnr("mean over frames of the PSNR of luma (Eq. 2)")
    psnr_of_mean_db = _psnr("PSNR of the squared error's mean over frames")
    psnr_y_of_mean_db = _psnr("the same of luma")
    added_mse = _added()
    added_levels = _added_levels()
    ssim_y = _ssim("frames")
    exact_frames = _exact("frames")
    darkest = _level("least")
    brightest = _level("largest")
    shift_r = _shift("red")
    shift_g = _shift("green")
    shift_b = _shift("blue")
    checkerboard = _checkerboard()
    saturated = _share("values that are 0 or 255, mean over pictures")
    luma = _luma()
    border = _border()
    timed_on = dy.String(
        nullable=True,
        description="clip that speed was measured on: an arm is timed once for frames of one size",
    )
    fps = _positive(
        "1000 / latency_p50_ms; with several frames in flight, 1000 / the mean milliseconds between two "
        "finished frames"
    )
    fps_compute = _positive("1000 / compute_p50_ms; with several frames in flight, fps")
    in_flight = dy.Int64(
        nullable=True, min=2, description="frames in flight; empty if there is one at a time"
    )
    latency_p50_ms = _positive("median from uint8 frame in memory to uint8 frame in memory")
    latency_p90_ms = _positive("its 90th percentile")
    latency_p99_ms = _positive("its 99th percentile")
    latency_mean_ms = _positive("its mean")
    compute_p50_ms = _positive("median of the runtime alone")
    enqueue_p50_ms = _positive("median of queueing the work, on devices with a queue")
    iterations = _count("timed frames")
    first_frame_ms = _positive("the first frame after opening the engine")
    reference = dy.String(nullable=True, description="arm that took turns with this one")
    speedup = _positive("times as fast as the reference: median over rounds of the ratio of medians")
    speedup_low = _positive("lower end of its 95% interval")
    speedup_high = _positive("upper end of its 95% interval")
    rounds = _count("rounds of the ratio")
    other_processors = dy.Float64(
        nullable=True,
        min=0.0,
        description="processors busy with other work meanwhile, or stolen by a host",
    )
    macs = _positive("multiply-adds of the network's convolutions per frame")
    limit_ms = _positive("least time per frame by the target's roofline")
    limit_fraction = _positive("limit_ms / end-to-end time")
    quantized_convolutions = dy.Int64(
        nullable=True, min=0, description="convolutions that the graph quantises"
    )
    float_share = _share("an INT8 graph's multiply-adds that stay in float")
    float_layers = dy.String(
        nullable=True, description="the largest of those layers with their shares; empty if there are none"
    )
    unaligned_share = _share(
        "its multiply-adds in convolutions whose channels aren't multiples of 16, which kernels pad"
    )
    int8_convolutions = dy.Int64(
        nullable=True, min=0, description="convolutions that the engine runs in INT8"
    )
    threads = _count("threads of the timed runtime")
    memory_bytes = _count("peak memory of the timing process")
    device_memory_bytes = _count("memory that the arm takes on a CUDA device, by its runtime's account")
    energy_mj_per_frame = _positive(
        "millijoules per frame of the whole module: its mean power during the arm's own frames, times their "
        "mean time"
    )
    build_seconds = dy.Float64(nullable=True, min=0.0, description="time to build the engine")
    engine_bytes = dy.Int64(nullable=True, min=0, description="size of the engine's file")
    engine_sha256 = dy.String(nullable=True, regex=_SHA256, description="SHA-256 of the engine's file")
    onnx_sha256 = dy.String(
        nullable=True, regex=_SHA256, description="SHA-256 of the ONNX file that it was built from"
    )
    seed = dy.Int64(nullable=True, description="seed of the study")
    runtime_version = dy.String(nullable=True, description="version of the runtime")
    manifest = dy.String(description="the arm's manifest: how this row was made")
    manifest_sha256 = dy.String(regex=_SHA256, description="SHA-256 of the manifest")
    cautions = dy.String(nullable=True, description="reasons to distrust the figures, joined by ;")
    status = dy.String(regex=_STATUS, description="ok, or why the arm did not run")

    @dy.rule()
    def ok_means_all_figures(self) -> pl.Expr:
        """An arm that ran has every figure."""
        return (pl.col("status") != "ok") | pl.all_horizontal(pl.col(FIGURES).is_not_null())

    @dy.rule()
    def not_run_means_no_figure(self) -> pl.Expr:
        """An arm that did not run has no figure."""
        return (pl.col("status") == "ok") | pl.all_horizontal(pl.col(FIGURES + MEASURED).is_null())

    @dy.rule()
    def paired_is_whole(self) -> pl.Expr:
        """A ratio has a reference, and lies inside its interval."""
        none = pl.all_horizontal(pl.col(PAIRED).is_null())
        inside = pl.col("speedup").is_between(pl.col("speedup_low"), pl.col("speedup_high"))
        return none | (pl.col("reference").is_not_null() & inside).fill_null(False)

    @dy.rule()
    def fps_is_of_the_median(self) -> pl.Expr:
        """FPS is the inverse of the median, unless several frames are in flight."""
        inverse = ((pl.col("fps") * pl.col("latency_p50_ms") / 1000) - 1).abs() < 1e-9
        return inverse | pl.col("in_flight").is_not_null()


class Evaluation(dy.Schema):
    """PSNR of all arms of a study on all clips; columns in the order of the file."""

    target = dy.String(primary_key=True, description="machine that ran the arm")
    runtime = dy.String(primary_key=True, description="what executed the engine")
    model = dy.String(primary_key=True, description="architecture with weights, or bicubic")
    precision = dy.String(
        primary_key=True, description="fp32, fp16, bf16, uint8, as-is or int8-<calibration>"
    )
    clip = dy.String(primary_key=True, description="images that were evaluated")
    scale = _scale()
    images = _count("evaluated images")
    psnr_y_db = _psnr("mean over images of the PSNR of luma")
    psnr_db = _psnr("mean over images of the PSNR over R, G, B")
    psnr_of_mean_db = _psnr("PSNR of the squared error's mean over images")
    added_mse = _added()
    added_levels = _added_levels()
    ssim_y = _ssim("images")
    exact_frames = _exact("images")
    darkest = _level("least")
    brightest = _level("largest")
    shift_r = _shift("red")
    shift_g = _shift("green")
    shift_b = _shift("blue")
    checkerboard = _checkerboard()
    saturated = _share("values that are 0 or 255, mean over pictures")
    luma = _luma()
    border = _border()
    downsampling = dy.String(description="kernel that made LR from HR")
    engine_sha256 = dy.String(nullable=True, regex=_SHA256, description="SHA-256 of the engine's file")
    runtime_version = dy.String(nullable=True, description="version of the runtime")
    cautions = dy.String(nullable=True, description="reasons to distrust the figures, joined by ;")
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
    """Read and check `metrics.csv`; raises UserError for any other file."""
    return read_rows(Metrics, path, "the metrics of a study")


def read_evaluation(path: Path) -> dy.DataFrame[Evaluation]:
    """Read and check `evaluation.csv`; raises UserError for any other file."""
    return read_rows(Evaluation, path, "the evaluation of a study")
