"""An arm's figures of speed from the rows of its `latency.csv`."""

import polars as pl

from superres.device.timing.ratios import OWN, REFERENCE, Ratio, block_cost, median_ratio

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
    """The figures of one arm from the rows of its own frames.

    FPS is 1000 / median milliseconds, end to end and of the runtime alone; where several frames are in flight
    it is 1000 / the mean interval between two that are done. Percentiles interpolate linearly.
    """
    own = latency.filter(pl.col("arm") == OWN)
    median, compute = _quantile(own["end_to_end_ms"], 0.5), _quantile(own["compute_ms"], 0.5)
    queued = own["enqueue_ms"].null_count() == 0
    streamed = own["interval_ms"].null_count() == 0
    fps = 1000 / _number(own["interval_ms"].mean()) if streamed else 1000 / median
    return {
        "fps": fps,
        "fps_compute": fps if streamed else 1000 / compute,
        "latency_p50_ms": median,
        "latency_p90_ms": _quantile(own["end_to_end_ms"], 0.9),
        "latency_p99_ms": _quantile(own["end_to_end_ms"], 0.99),
        "latency_mean_ms": _number(own["end_to_end_ms"].mean()),
        "compute_p50_ms": compute,
        "enqueue_p50_ms": _quantile(own["enqueue_ms"], 0.5) if queued else None,
        "iterations": own.height,
    }


def paired_ratio(latency: pl.DataFrame) -> tuple[Ratio, int] | None:
    """How many times as fast as the reference an arm is, and in how many rounds; None without a reference.

    A round's ratio is that of what its two blocks cost (`device.ratios.block_cost`).
    """
    costs: dict[str, dict[object, float]] = {OWN: {}, REFERENCE: {}}
    for (number, arm), block in latency.group_by("round", "arm", maintain_order=True):
        costs[str(arm)][number] = block_cost(block["end_to_end_ms"].to_list(), block["interval_ms"].to_list())
    ratios = [costs[REFERENCE][n] / own for n, own in costs[OWN].items() if n in costs[REFERENCE]]
    return (median_ratio(ratios), len(ratios)) if ratios else None


def _quantile(values: pl.Series, share: float) -> float:
    return _number(values.quantile(share, "linear"))


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, found {value!r}")
    return float(value)
