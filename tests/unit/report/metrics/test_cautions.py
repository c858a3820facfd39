from typing import Any

import pytest

from superres.report.metrics.cautions import NoiseLimits, find_cautions
from superres.report.metrics.operations import Operations

from ..synthetic import row

NOISE = NoiseLimits(1.5, 0.1)
NETWORK = Operations(4, 3, 54_756.0, 53_856.0)


def latency(**other: Any) -> dict[str, Any]:
    return {
        "warmup": {"frames": 10, "seconds": 0.5, "settled": True},
        "distinct_frames": 24,
        "reference": None,
        "disturbance": {"others": 0.02, "stolen": 0.0},
        "machine": {"flags": ["avx512_vnni"]},
        "settings": {"warmup_frames": 5},
        **other,
    }


def cautions(
    precision: str = "int8-minmax", facts: dict | None = None, measured: dict | None = None, **columns: Any
):
    arm = row("openvino", "espcn_anchor", precision, 31.0, 40.0, **columns)
    return find_cautions(arm, {"facts": facts or {}}, measured or latency(), NETWORK, NOISE)


def test_nothing_is_said_of_a_quiet_arm_that_runs_as_asked() -> None:
    assert cautions(facts={"convolutions": {"u8": 3, "f32": 1}, "native": True}) == []
    # What a system doesn't tell isn't held against the arm.
    assert cautions(measured=latency(disturbance=None)) == []


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (
            {"disturbance": {"others": 0.05, "stolen": 0.06}},
            "noisy: 0.1 processors were busy with something else",
        ),
        ({"distinct_frames": 3}, "the clip has fewer frames (3) than the warm-up took"),
        (
            {"warmup": {"frames": 14, "seconds": 1.0, "settled": False}},
            "times had not settled after 14 frames of warm-up",
        ),
        (
            {"reference": {"label": "a/b/c/d", "status": "not run: needs a CUDA device"}},
            "no ratio: the reference a/b/c/d did not run (not run: needs a CUDA device)",
        ),
        (
            {"machine": {"flags": ["avx2", "avx512f"]}},
            "this processor has no instructions for INT8 products (VNNI): expect little speed from it",
        ),
    ],
)
def test_what_is_said_of_how_it_was_measured(measured: dict, said: str) -> None:
    assert cautions(measured=latency(**measured)) == [said]


def test_a_slow_arm_whose_warm_up_could_not_tell_is_not_blamed() -> None:
    assert cautions(measured=latency(warmup={"frames": 2, "seconds": 1.3, "settled": False})) == []


def test_times_that_spread_are_noisy() -> None:
    assert cautions(latency_p90_ms=64.0) == ["noisy: the 90th percentile is 1.6 times the median"]


def test_convolutions_that_fell_back_to_float_are_counted() -> None:
    facts = {"int8_convolutions": 2, "float_convolutions": 2}
    assert cautions(facts=facts) == ["1 of 3 quantised convolutions run in float"]
    assert cautions(precision="fp32", facts=facts) == []


def test_emulated_arithmetic_is_said() -> None:
    (said,) = cautions(precision="bf16", facts={"native": False})
    assert "no bf16 instructions" in said


def test_faster_than_the_limit_means_that_the_limit_is_wrong() -> None:
    (said,) = cautions(limit_fraction=1.2)
    assert said.startswith("faster than the measured limit")
    assert cautions(limit_fraction=1.04) == []
