"""How long a frame takes at least on a machine, by its roofline, and what of that an arm reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from superres.device.base.outputs import read_json
from superres.report.metrics.operations import Operations

# A frame is read and one of four times its pixels written, three bytes each, whatever happens between.
_BYTES_PER_PIXEL = 3 + 4 * 3


@dataclass(frozen=True)
class Roofline:
    """The most that a target's processors do: 10^9 multiply-adds/s by precision, and GB/s of memory."""

    peaks: Mapping[str, Mapping[str, float]]
    bandwidth_gb_s: Mapping[str, float]

    def limit_ms(
        self, processor: str, precision: str, operations: Operations | None, pixels: int
    ) -> float | None:
        """The least milliseconds for a frame of so many LR pixels; None where a peak isn't known.

        What an INT8 graph keeps in float counts at the peak of FP32. `operations` is None for bicubic, which
        has none that count.
        """
        bandwidth = self.bandwidth_gb_s.get(processor)
        if bandwidth is None:
            return None
        memory_ms = pixels * _BYTES_PER_PIXEL / bandwidth / 1e6
        if operations is None:
            return memory_ms
        kind = "int8" if precision.startswith("int8-") else precision
        macs = {kind: operations.macs_per_pixel}
        if kind == "int8":
            macs = {"int8": operations.quantized_macs_per_pixel, "fp32": operations.float_macs_per_pixel}
        peaks = self.peaks.get(processor, {})
        if any(count > 0 and name not in peaks for name, count in macs.items()):
            return None
        compute_ms = sum(pixels * count / peaks[name] / 1e6 for name, count in macs.items() if count > 0)
        return max(memory_ms, compute_ms)


def read_roofline(path: Path) -> Roofline:
    """Read what `measure_roofline` wrote."""
    record = read_json(path, ("peaks", "bandwidth_gb_s"))
    return Roofline(record["peaks"], record["bandwidth_gb_s"])


def processor_of(runtime: str, facts: Mapping[str, Any]) -> str:
    """Where an arm computes, `cpu` or `cuda`, by its runtime and what its engine's record says."""
    on_gpu = runtime.startswith("tensorrt") or facts.get("device", "cpu") != "cpu"
    return "cuda" if on_gpu and runtime != "opencv" else "cpu"


def reached(
    roofline: Roofline, processor: str, precision: str, operations: Operations | None, own: pl.DataFrame
) -> dict[str, float | None]:
    """An arm's columns about its limit: multiply-adds a frame, least time, share of the limit.

    `own` are the rows of its own frames; each has its own size, and figures are medians over them.
    """
    pixels = (own["height"] * own["width"]).to_list()
    found = [roofline.limit_ms(processor, precision, operations, count) for count in pixels]
    limits = [limit for limit in found if limit is not None]
    macs = median(pixels) * operations.macs_per_pixel if operations else None
    if len(limits) < len(found):
        return {"macs": macs, "limit_ms": None, "limit_fraction": None}
    # Frames in flight cost what lies between two that are done.
    costs = own.select(pl.coalesce(pl.col("interval_ms").mean(), "end_to_end_ms"))["interval_ms"].to_list()
    shares = [limit / ms for limit, ms in zip(limits, costs, strict=True)]
    return {"macs": macs, "limit_ms": median(limits), "limit_fraction": median(shares)}
