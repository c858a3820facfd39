import polars as pl
import pytest

from superres.report.metrics.operations import Operations
from superres.report.metrics.speed import Roofline, energy_per_frame, processor_of, reached

ROOFLINE = Roofline({"cpu": {"fp32": 250.0, "int8": 1000.0}, "cuda": {}}, {"cpu": 20.0})
# The paper's frame: 518,400 LR pixels; 53,856 multiply-adds each are 27.9 GMAC.
NETWORK = Operations(3, 3, 53_856.0, 53_856.0)
PIXELS = 540 * 960


@pytest.mark.parametrize(
    ("precision", "operations", "milliseconds"),
    [
        ("fp32", NETWORK, 27.919 / 250 * 1000),
        ("int8-minmax", NETWORK, 27.919 / 1000 * 1000),
        # A part in float counts at the peak of FP32.
        ("int8-minmax", Operations(4, 3, 54_756.0, 53_856.0), 27.919 + 0.46656 / 250 * 1000),
        # 7.776 MB at 20 GB/s, and a network so small that its bytes take longer.
        ("uint8", None, 7.776 / 20),
        ("fp32", Operations(1, 0, 100.0, 0.0), 7.776 / 20),
    ],
)
def test_the_limit_in_closed_form(precision: str, operations: Operations | None, milliseconds: float) -> None:
    found = ROOFLINE.limit_ms("cpu", precision, operations, PIXELS, 2)
    assert found == pytest.approx(milliseconds, rel=1e-4)


def test_a_larger_scale_writes_more() -> None:
    """1.5552 MB are read, and 16 times as much is written."""
    assert ROOFLINE.limit_ms("cpu", "uint8", None, PIXELS, 4) == pytest.approx(17 * 1.5552 / 20)


def test_no_limit_without_a_peak() -> None:
    assert ROOFLINE.limit_ms("cpu", "bf16", NETWORK, PIXELS, 2) is None
    assert ROOFLINE.limit_ms("cuda", "fp16", NETWORK, PIXELS, 2) is None


def test_what_frames_of_several_sizes_reach() -> None:
    columns = {"height": [540, 270, 540], "width": [960] * 3, "end_to_end_ms": [223.35, 223.35, 446.7]}
    own = pl.DataFrame(columns | {"interval_ms": [None] * 3}, schema_overrides={"interval_ms": pl.Float64})
    found = reached(ROOFLINE, "cpu", "fp32", NETWORK, own, scale=2)
    assert found["macs"] == pytest.approx(27.919e9, rel=1e-4)
    assert found["limit_ms"] == pytest.approx(111.676, rel=1e-4)
    assert found["limit_fraction"] == pytest.approx(0.25, rel=1e-3)
    # In flight, a frame costs the interval between two finished frames.
    streamed = own.with_columns(interval_ms=pl.Series([100.0, 120.0, 115.04]))
    share = reached(ROOFLINE, "cpu", "fp32", NETWORK, streamed, scale=2)["limit_fraction"]
    assert share == pytest.approx(1.0, rel=1e-3)
    assert set(reached(ROOFLINE, "cuda", "fp32", None, own, scale=2).values()) == {None}


@pytest.mark.parametrize(
    ("runtime", "facts", "processor"),
    [
        ("openvino", {}, "cpu"),
        ("pytorch", {"device": "cpu"}, "cpu"),
        ("pytorch", {"device": "NVIDIA Orin"}, "cuda"),
        ("tensorrt", {"device": None}, "cuda"),
        ("opencv", {}, "cpu"),
    ],
)
def test_where_an_arm_computes(runtime: str, facts: dict, processor: str) -> None:
    assert processor_of(runtime, facts) == processor


def test_energy_is_the_modules_power_times_a_frames_time() -> None:
    row = {"latency_mean_ms": 50.0, "fps": 40.0}
    record = {"power": {"module_mw": 9000.0}, "session": {}}
    # 9 W for 50 ms are 450 mJ; in flight a frame costs 1000 / 40 ms.
    assert energy_per_frame(record, row) == 450.0
    assert energy_per_frame({**record, "session": {"in_flight": 4}}, row) == 225.0
    for power in (None, {"module_mw": None}):
        assert energy_per_frame({**record, "power": power}, row) is None
