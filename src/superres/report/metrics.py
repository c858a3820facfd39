"""From the raw figures of all arms to `metrics.csv`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from superres.device.errors import UserError
from superres.device.machine import sha256_file
from superres.device.outputs import read_json
from superres.device.psnr import psnr
from superres.report.manifest import Arm
from superres.report.schema import Metrics
from superres.tables import write_rows

_QUALITY = {
    "frame": pl.Int64,
    "name": pl.String,
    "height": pl.Int64,
    "width": pl.Int64,
    "mse": pl.Float64,
    "psnr_db": pl.Float64,
    "mse_y": pl.Float64,
    "psnr_y_db": pl.Float64,
}
_LATENCY = {
    "iteration": pl.Int64,
    "frame": pl.Int64,
    "height": pl.Int64,
    "width": pl.Int64,
    "compute_ms": pl.Float64,
    "end_to_end_ms": pl.Float64,
}


@dataclass(frozen=True)
class ArmFiles:
    """The files of one arm on one clip."""

    arm: Arm
    quality: Path
    latency: Path
    manifest: Path


def collect_metrics(arms: Sequence[ArmFiles], out: Path) -> None:
    """Write `metrics.csv`, a row an arm and clip, in the order given.

    Raises UserError if a file is damaged, or if the figures and the manifest's status do not agree.
    """
    write_rows(Metrics, [_row(files) for files in arms], out)


def aggregate_quality(quality: pl.DataFrame) -> dict[str, float]:
    """Means over frames of PSNR and of luma's, from the rows of `quality.csv`."""
    return {column: _number(quality[column].mean()) for column in ("psnr_db", "psnr_y_db")}


def aggregate(quality: pl.DataFrame, latency: pl.DataFrame) -> dict[str, float | int]:
    """The figures of one arm from its raw rows: `quality.csv` and `latency.csv`.

    PSNR is the mean of the frames' values; `*_of_mean_db` is the PSNR of the mean squared error. FPS is
    1000 / median end-to-end milliseconds. Percentiles interpolate linearly.
    """
    end_to_end = latency["end_to_end_ms"]

    def percentile(share: float) -> float:
        return _number(end_to_end.quantile(share, "linear"))

    median = percentile(0.5)
    return {
        "frames": quality.height,
        **aggregate_quality(quality),
        "psnr_of_mean_db": psnr(_number(quality["mse"].mean())),
        "psnr_y_of_mean_db": psnr(_number(quality["mse_y"].mean())),
        "fps": 1000 / median,
        "latency_p50_ms": median,
        "latency_p90_ms": percentile(0.9),
        "latency_p99_ms": percentile(0.99),
        "compute_p50_ms": _number(latency["compute_ms"].quantile(0.5, "linear")),
        "iterations": latency.height,
    }


def _row(files: ArmFiles) -> dict[str, Any]:
    manifest = read_json(files.manifest, ("status", "study", "inputs", "engine", "quality", "latency"))
    quality = read_quality(files.quality)
    latency = _read_rows(files.latency, _LATENCY)
    row = {
        **asdict(files.arm),
        "onnx_sha256": manifest["inputs"].get("onnx", {}).get("sha256"),
        **protocol_of(manifest["quality"], files.manifest),
        "seed": manifest["study"].get("seed"),
        "manifest": files.manifest.as_posix(),
        "manifest_sha256": sha256_file(files.manifest),
        "status": manifest["status"],
    }
    for path, rows in ((files.quality, quality), (files.latency, latency)):
        if manifest["status"] == "ok" and rows.is_empty():
            raise UserError(
                f"{path}: expected figures, since {files.manifest} says ok, found none; measure again"
            )
    if manifest["status"] != "ok":
        return row
    return row | aggregate(quality, latency) | _provenance(files, manifest)


def protocol_of(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """How PSNR was measured, from the record of `measure_quality` that `path` holds."""
    settings = record.get("settings", {})
    if not {"luma", "border"} <= settings.keys():
        raise UserError(f"{path}: expected luma and border in the settings, found {settings}; measure again")
    return {name: settings[name] for name in ("luma", "border")}


def _provenance(files: ArmFiles, manifest: Mapping[str, Any]) -> dict[str, Any]:
    engine, latency = manifest["engine"], manifest["latency"]
    try:
        return {
            "threads": latency["threads"],
            "engine_bytes": engine["engine_bytes"],
            "engine_sha256": engine["engine_sha256"],
            "runtime_version": latency["versions"][files.arm.runtime],
        }
    except KeyError as error:
        raise UserError(
            f"{files.manifest}: expected the key {error}, found none; build the arm again"
        ) from error


def read_quality(path: Path) -> pl.DataFrame:
    """Read an arm's `quality.csv`; raises UserError if it is damaged."""
    return _read_rows(path, _QUALITY)


def _read_rows(path: Path, schema: Mapping[str, Any]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(path, schema_overrides=schema).select(list(schema))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: expected the columns {', '.join(schema)}, found: {reason}") from error
    if any(frame.null_count().row(0)):
        raise UserError(f"{path}: expected a value in every cell, found empty ones; measure again")
    return frame


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)
