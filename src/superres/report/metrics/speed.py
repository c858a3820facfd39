"""An arm's speed, from the rows of `latency.csv`, and its share of the machine's limit, by the roofline."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from superres.device.base.outputs import read_json
from superres.device.runtimes import about
from superres.device.runtimes.base import runs_int8
from superres.device.timing.ratios import OWN, REFERENCE, Ratio, block_cost, median_ratio
from superres.report.metrics.operations import Operations

LATENCY = {
    "arm": pl.String,
    "round": pl.Int64,
    "frame": pl.Int64,
    "height": pl.Int64,
    "width": pl.Int64,
    "compute_ms": pl.Float64,
    "enqueue_ms": pl.Float64,
    "end_to_end_ms": pl.Float64,
    "interval_ms": pl.Float64,
}
MAY_BE_EMPTY = ("enqueue_ms", "interval_ms")


def aggregate_speed(latency: pl.DataFrame) -> dict[str, float | int | None]:
    """Return the figures of one arm from the rows of its own frames.

    FPS is 1000 / median milliseconds, end to end and for the runtime alone. With several frames in flight it
    is 1000 / the mean interval between two finished frames. Percentiles interpolate linearly.
    """
    own = latency.filter(pl.col("arm") == OWN)
    median, compute = _quantile(own["end_to_end_ms"], 0.5), _quantile(own["compute_ms"], 0.5)
    queued = own["enqueue_ms"].null_count() == 0
    streamed = own["interval_ms"].null_count() == 0
    fps = 1000 / to_number(own["interval_ms"].mean()) if streamed else 1000 / median
    return {
        "fps": fps,
        "fps_compute": fps if streamed else 1000 / compute,
        "latency_p50_ms": median,
        "latency_p90_ms": _quantile(own["end_to_end_ms"], 0.9),
        "latency_p99_ms": _quantile(own["end_to_end_ms"], 0.99),
        "latency_mean_ms": to_number(own["end_to_end_ms"].mean()),
        "compute_p50_ms": compute,
        "enqueue_p50_ms": _quantile(own["enqueue_ms"], 0.5) if queued else None,
        "iterations": own.height,
    }


def paired_ratio(latency: pl.DataFrame) -> tuple[Ratio, int] | None:
    """Return an arm's speedup over the reference and its number of rounds; None without a reference.

    A round's ratio is that of the costs of its two blocks (`timing.ratios.block_cost`).
    """
    costs: dict[str, dict[object, float]] = {OWN: {}, REFERENCE: {}}
    for (number, arm), block in latency.group_by("round", "arm", maintain_order=True):
        costs[str(arm)][number] = block_cost(block["end_to_end_ms"].to_list(), block["interval_ms"].to_list())
    ratios = [costs[REFERENCE][n] / own for n, own in costs[OWN].items() if n in costs[REFERENCE]]
    return (median_ratio(ratios), len(ratios)) if ratios else None


def energy_per_frame(record: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Return millijoules per frame of the whole module, from an arm's record and speed; None if unknown.

    Milliwatts times seconds: the mean power during the arm's own frames, and the mean time of one.
    """
    milliwatts = (record.get("power") or {}).get("module_mw")
    if milliwatts is None:
        return None
    ms = 1000 / row["fps"] if record["session"].get("in_flight") else row["latency_mean_ms"]
    return milliwatts * ms / 1000


def _quantile(values: pl.Series, share: float) -> float:
    return to_number(values.quantile(share, "linear"))


def to_number(value: object) -> float:
    """Return an aggregate of a column as a float; raises TypeError for None and others."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)


# Red, green and blue.
_BYTES_PER_PIXEL = 3


@dataclass(frozen=True)
class Roofline:
    """The peaks of a target's processors: 10^9 multiply-adds/s by precision, and memory in GB/s."""

    peaks: Mapping[str, Mapping[str, float]]
    bandwidth_gb_s: Mapping[str, float]

    def limit_ms(
        self, processor: str, precision: str, operations: Operations | None, pixels: int, scale: int
    ) -> float | None:
        """Return the least milliseconds for a frame of so many LR pixels; None if a peak is unknown.

        At least, the frame is read and the one of `scale` x `scale` times its pixels written.

        Float convolutions of an INT8 graph count at the peak of FP32. `operations` is None for bicubic,
        where only memory counts.
        """
        bandwidth = self.bandwidth_gb_s.get(processor)
        if bandwidth is None:
            return None
        memory_ms = pixels * (1 + scale**2) * _BYTES_PER_PIXEL / bandwidth / 1e6
        if operations is None:
            return memory_ms
        kind = "int8" if runs_int8(precision) else precision
        macs = {kind: operations.macs_per_pixel}
        if kind == "int8":
            macs = {"int8": operations.quantized_macs_per_pixel, "fp32": operations.float_macs_per_pixel}
        peaks = self.peaks.get(processor, {})
        if any(count > 0 and name not in peaks for name, count in macs.items()):
            return None
        compute_ms = sum(pixels * count / peaks[name] / 1e6 for name, count in macs.items() if count > 0)
        return max(memory_ms, compute_ms)


def read_roofline(path: Path) -> Roofline:
    """Read the file of `measure_roofline`."""
    record = read_json(path, ("peaks", "bandwidth_gb_s"))
    return Roofline(record["peaks"], record["bandwidth_gb_s"])


def processor_of(runtime: str, facts: Mapping[str, Any]) -> str:
    """Return where an arm computes, `cpu` or `cuda`, by its runtime and the facts in its engine's record."""
    return "cuda" if about(runtime).device_bound or facts.get("device", "cpu") != "cpu" else "cpu"


def reached(
    roofline: Roofline,
    processor: str,
    precision: str,
    operations: Operations | None,
    own: pl.DataFrame,
    *,
    scale: int,
) -> dict[str, float | None]:
    """Return an arm's multiply-adds per frame, its least time [ms] and its share of that limit.

    `own` are the rows of its own frames, whose sizes may differ; figures are medians over them.
    """
    pixels = (own["height"] * own["width"]).to_list()
    found = [roofline.limit_ms(processor, precision, operations, count, scale) for count in pixels]
    limits = [limit for limit in found if limit is not None]
    macs = median(pixels) * operations.macs_per_pixel if operations else None
    if len(limits) < len(found):
        return {"macs": macs, "limit_ms": None, "limit_fraction": None}
    # A frame in flight costs the interval between two finished frames.
    costs = own.select(pl.coalesce(pl.col("interval_ms").mean(), "end_to_end_ms"))["interval_ms"].to_list()
    shares = [limit / ms for limit, ms in zip(limits, costs, strict=True)]
    return {"macs": macs, "limit_ms": median(limits), "limit_fraction": median(shares)}
