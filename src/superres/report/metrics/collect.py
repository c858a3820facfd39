"""Collect the raw figures of all arms in `metrics.csv`, or their quality alone in `evaluation.csv`."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from superres.csv_rows import read_columns, write_rows
from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json, sha256_file
from superres.device.base.words import counted
from superres.device.frames.faults import Faults
from superres.device.frames.psnr import psnr
from superres.device.machine.facts import adds_in_16_bits
from superres.device.runtimes.base import runs_int8
from superres.device.timing.ratios import OWN, SAME
from superres.models.graphs.onnx_file import load_onnx
from superres.models.graphs.overflow import overflowing
from superres.report.manifest import ArmOnClip, check_record, scale_of
from superres.report.metrics.cautions import NoiseLimits, find_cautions, overflow_cautions, with_doubts
from superres.report.metrics.operations import Operations, count_operations, executed_convolutions
from superres.report.metrics.relative import with_added
from superres.report.metrics.schema import Evaluation, Metrics
from superres.report.metrics.speed import (
    LATENCY,
    MAY_BE_EMPTY,
    aggregate_speed,
    energy_per_frame,
    paired_ratio,
    processor_of,
    reached,
    read_roofline,
    to_number,
)

_QUALITY = {
    "frame": pl.Int64,
    "name": pl.String,
    "height": pl.Int64,
    "width": pl.Int64,
    "mse": pl.Float64,
    "psnr_db": pl.Float64,
    "mse_y": pl.Float64,
    "psnr_y_db": pl.Float64,
    "ssim_y": pl.Float64,
    "darkest": pl.Int64,
    "brightest": pl.Int64,
    **dict.fromkeys(Faults._fields, pl.Float64),
}
# Empty for frames that are smaller than SSIM's window.
_NO_SSIM = ("ssim_y",)

MANIFEST = ("status", "study", "inputs", "outputs", "engine", "quality", "latency")
"""The keys of a manifest that figures need."""

_FLOAT_LAYERS = 4


@dataclass(frozen=True)
class ArmFiles:
    """The files of one arm on one clip, its target's roofline, and the ONNX file to count operations in."""

    arm: ArmOnClip
    quality: Path
    latency: Path
    manifest: Path
    roofline: Path
    operations: Path | None


def collect_metrics(
    arms: Sequence[ArmFiles],
    out: Path,
    *,
    references: Collection[str],
    noise: NoiseLimits,
    far_db: float,
) -> None:
    """Write `metrics.csv`, a row per arm and clip, in the order given.

    `references` are the labels of the reference arms, whose own ratio is 1. See `with_doubts`
    for `far_db`. Raises UserError if a file is damaged, or contradicts the manifest's status.
    """
    counted = {
        path: count_operations(path) for path in dict.fromkeys(files.operations for files in arms) if path
    }
    rows = [_row(files, counted, references, noise) for files in arms]
    write_rows(Metrics, with_added(with_doubts(rows, far_db)), out)


def aggregate_quality(quality: pl.DataFrame) -> dict[str, float | int | None]:
    """Return the figures of one arm's pictures, from the rows of `quality.csv`.

    `psnr_db` and `psnr_y_db` are means of the frames' values, `*_of_mean_db` the PSNR of the mean squared
    error [dB]. `ssim_y` is the mean over the frames that have one. `exact_frames` have no error at all.
    Those of `Faults` are means over the frames.
    """
    mse, ssim = quality["mse"], quality["ssim_y"].drop_nulls()
    return {
        **{column: to_number(quality[column].mean()) for column in ("psnr_db", "psnr_y_db")},
        "psnr_of_mean_db": psnr(to_number(mse.mean())),
        "psnr_y_of_mean_db": psnr(to_number(quality["mse_y"].mean())),
        "ssim_y": to_number(ssim.mean()) if len(ssim) else None,
        "exact_frames": int((mse == 0).sum()),
        "darkest": int(to_number(quality["darkest"].min())),
        "brightest": int(to_number(quality["brightest"].max())),
        **{column: to_number(quality[column].mean()) for column in Faults._fields},
    }


def aggregate(quality: pl.DataFrame, latency: pl.DataFrame) -> dict[str, float | int | None]:
    """Return the figures of one arm: see `aggregate_quality` and `aggregate_speed`."""
    return {"frames": quality.height, **aggregate_quality(quality), **aggregate_speed(latency)}


def _row(
    files: ArmFiles,
    counted: Mapping[Path, Operations],
    references: Collection[str],
    noise: NoiseLimits,
) -> dict[str, Any]:
    manifest = read_json(files.manifest, MANIFEST)
    latency = read_columns(LATENCY, files.latency, may_be_empty=MAY_BE_EMPTY)
    row = row_of_records(files, manifest, latency, references)
    if manifest["status"] != "ok":
        return row
    operations = counted[files.operations] if files.operations else None
    row |= _operations(files, operations, manifest, latency)
    cautions = find_cautions(row, manifest["engine"], manifest["latency"], operations, noise)
    return row | {"cautions": "; ".join(cautions) or None}


def row_of_records(
    files: ArmFiles, manifest: Mapping[str, Any], latency: pl.DataFrame, references: Collection[str]
) -> dict[str, Any]:
    """Return the columns that come from an arm's own records: all but those of operations, and cautions.

    `latency` are the rows of `latency.csv`. Raises UserError if a file is damaged, or has no figures.
    """
    quality = read_quality(files.quality)
    row: dict[str, Any] = {
        **asdict(files.arm),
        "scale": scale_of(manifest["quality"], files.manifest),
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
                f"{path}: expected figures, as {files.manifest} says ok, found none; measure again"
            )
    if manifest["status"] != "ok":
        return row
    row |= aggregate(quality, latency)
    row |= _provenance(files, manifest, row)
    row["timed_on"] = manifest["latency"]["clip"]
    return row | _paired(files.arm, latency, manifest["latency"], references)


def _paired(
    arm: ArmOnClip, latency: pl.DataFrame, record: Mapping[str, Any], references: Collection[str]
) -> dict[str, Any]:
    """Return the columns about the reference arm."""
    if arm.folder in references:
        ratio, rounds, reference = SAME, None, arm.folder
    elif (found := paired_ratio(latency)) is not None:
        (ratio, rounds), reference = found, record["reference"]["label"]
    else:
        return {}
    bounds = {"speedup": ratio.value, "speedup_low": ratio.low, "speedup_high": ratio.high}
    return {"reference": reference, "rounds": rounds, **bounds}


def _operations(
    files: ArmFiles, operations: Operations | None, manifest: Mapping[str, Any], latency: pl.DataFrame
) -> dict[str, Any]:
    """Return the columns about multiply-adds, the machine's limit, and INT8 convolutions."""
    facts = manifest["engine"].get("facts", {})
    own = latency.filter(pl.col("arm") == OWN)
    arm, roofline = files.arm, read_roofline(files.roofline)
    columns: dict[str, Any] = reached(
        roofline,
        processor_of(arm.runtime, facts),
        arm.precision,
        operations,
        own,
        scale=scale_of(manifest["quality"], files.manifest),
    )
    if runs_int8(arm.precision) and operations:
        columns["quantized_convolutions"] = operations.quantized_convolutions
        columns["float_share"] = operations.float_macs_per_pixel / operations.macs_per_pixel
        columns["float_layers"] = _layers_text(operations.float_layers)
        columns["unaligned_share"] = operations.unaligned_macs_per_pixel / operations.macs_per_pixel
        columns["int8_convolutions"], _ = executed_convolutions(facts)
    return columns


def _layers_text(shares: Sequence[tuple[str, float]]) -> str | None:
    """Return the largest layers in float with their shares of the multiply-adds, for people."""
    shown = [f"{layer} {share:.1%}" for layer, share in shares[:_FLOAT_LAYERS]]
    if more := shares[_FLOAT_LAYERS:]:
        shown.append(f"{len(more)} more {sum(share for _, share in more):.1%}")
    return ", ".join(shown) or None


def protocol_of(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return how PSNR was measured, from the record of `measure_quality` read from `path`."""
    settings = record.get("settings", {})
    if not {"luma", "border"} <= settings.keys():
        raise UserError(f"{path}: expected luma and border in the settings, found {settings}; measure again")
    return {name: settings[name] for name in ("luma", "border")}


def _provenance(files: ArmFiles, manifest: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    engine, latency = manifest["engine"], manifest["latency"]
    try:
        disturbance = latency["disturbance"]
        return {
            "threads": latency["threads"],
            "first_frame_ms": latency["first_frame_ms"],
            "in_flight": latency["session"].get("in_flight"),
            "memory_bytes": latency["peak_memory_bytes"],
            "device_memory_bytes": latency["device_memory_bytes"],
            "energy_mj_per_frame": energy_per_frame(latency, row),
            "other_processors": sum(disturbance.values()) if disturbance else None,
            "build_seconds": engine["build_seconds"],
            "engine_bytes": engine["engine_bytes"],
            "engine_sha256": engine["engine_sha256"],
            "runtime_version": latency["versions"][files.arm.runtime],
        }
    except KeyError as error:
        raise UserError(
            f"{files.manifest}: expected the key {error}, found none; build the arm again"
        ) from error


def read_quality(path: Path) -> pl.DataFrame:
    """Read an arm's `quality.csv`; raises UserError if it is damaged or a PSNR isn't that of its error."""
    frame = read_columns(_QUALITY, path, may_be_empty=_NO_SSIM)
    for name, error in (("psnr_db", "mse"), ("psnr_y_db", "mse_y")):
        for line, (found, mse) in enumerate(frame.select(name, error).rows(), start=2):
            if not math.isclose(found, psnr(mse), rel_tol=1e-9):
                raise UserError(
                    f"{path}: line {line}, column {name}: expected {psnr(mse):.6f}, as the error {mse:g} "
                    f"beside it says, found {found:.6f}; measure again"
                )
    return frame


@dataclass(frozen=True)
class ArmQuality:
    """The files of `measure_quality` for one arm on one clip, and the Q/DQ graph of an INT8 engine."""

    arm: ArmOnClip
    quality: Path
    record: Path
    graph: Path | None = None


def collect_evaluation(
    arms: Sequence[ArmQuality], downsampling: Mapping[str, str], out: Path, *, far_db: float
) -> None:
    """Write `evaluation.csv`, a row per arm and clip, in the order given.

    `downsampling` names each clip's kernel. See `with_doubts` for `far_db`. Raises UserError if a file is
    damaged or belongs to another arm.
    """
    layers = cache(lambda graph: len(overflowing(load_onnx(graph))))
    rows = []
    for files in arms:
        row = evaluation_row(files, downsampling[files.arm.clip])
        if files.graph and row["status"] == "ok":
            machine = read_json(files.record, ("machine",))["machine"]
            found = overflow_cautions(machine, layers(files.graph)) if adds_in_16_bits(machine) else []
            row["cautions"] = "; ".join(found) or None
        rows.append(row)
    write_rows(Evaluation, with_added(with_doubts(rows, far_db)), out)


def evaluation_row(files: ArmQuality, downsampling: str) -> dict[str, Any]:
    """Return the columns of `evaluation.csv` for an arm, but those that other arms decide."""
    record = read_json(files.record, ("status", "runtime", "precision", "settings", "versions"))
    check_record(files.arm, files.record, record, record)
    row = {
        **asdict(files.arm),
        "scale": scale_of(record, files.record),
        **protocol_of(record, files.record),
        "downsampling": downsampling,
        "status": record["status"],
    }
    if record["status"] != "ok":
        return row
    quality = read_quality(files.quality)
    if quality.height != record["frames"]:
        raise UserError(
            f"{files.quality}: expected {counted(record['frames'], 'image')}, as in {files.record}, found "
            f"{quality.height}; measure again"
        )
    figures = aggregate_quality(quality)
    return row | {
        "images": quality.height,
        **{name: value for name, value in figures.items() if name != "psnr_y_of_mean_db"},
        "engine_sha256": record["engine_sha256"],
        "runtime_version": record["versions"].get(files.arm.runtime),
    }
