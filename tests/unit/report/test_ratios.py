import math

import numpy as np
import pytest

from superres.report.ratios import Ratio, median_ratio
from superres.report.speedups import find_speedups, paper_speedups

from .synthetic import row


@pytest.mark.parametrize(
    ("count", "k"),
    # Tables of the sign test at 95%, such as Conover's: ranks k and n + 1 - k.
    [(5, 1), (6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (50, 18)],
)
def test_the_interval_is_that_of_the_tables(count: int, k: int) -> None:
    found = median_ratio([float(value) for value in range(count, 0, -1)])
    assert found == Ratio((count + 1) / 2, k, count + 1 - k)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    # A skewed distribution with a median of 1.
    samples = np.exp(rng.standard_normal((2000, 11)))
    held = [(found := median_ratio(list(values))).low <= 1 <= found.high for values in samples]
    assert 0.95 <= np.mean(held) < 0.995


def test_ratios_of_two_runs_divide_and_their_errors_add_up() -> None:
    found = Ratio(6.0, 6.0 / math.exp(0.03), 6.0 * math.exp(0.03)).over(
        Ratio(1.5, 1.5 / math.exp(0.04), 1.5 * math.exp(0.04))
    )
    assert found.value == 4.0
    assert math.log(found.high / 4) == pytest.approx(0.05)
    assert math.log(4 / found.low) == pytest.approx(0.05)


def test_an_arm_over_pytorch_and_over_its_own_fp32() -> None:
    rows = [
        row("pytorch", "espcn_rgb", "fp32", 31.0, 560.0),
        row("openvino", "espcn_rgb", "fp32", 31.0, 140.0),
        row("openvino", "espcn_rgb", "int8-minmax", 30.8, 35.0),
        row("openvino", "espcn_ycbcr", "int8-minmax", 30.8, 70.0),
    ]
    found = find_speedups(rows[2], rows)
    assert {name: ratio and round(ratio.value, 9) for name, ratio in found.items()} == {
        "speedup": 4.0,
        "speedup_pytorch": 16.0,
        "speedup_fp32": 4.0,
    }
    assert find_speedups(rows[3], rows)["speedup_pytorch"] is None
    alone = row(
        "openvino", "espcn_rgb", "fp32", 31.0, 140.0, speedup=None, speedup_low=None, speedup_high=None
    )
    assert set(find_speedups(alone, [alone]).values()) == {None}


def test_the_papers_speedups_are_those_of_its_fps() -> None:
    fps = {("espcn_rgb", "pytorch", "fp32"): 10.39, ("espcn_rgb", "tensorrt", "fp32"): 14.08}
    found = paper_speedups({**fps, ("espcn_rgb", "tensorrt", "int8"): 51.95})
    assert round(found["speedup_pytorch", "espcn_rgb", "tensorrt", "int8"], 2) == 5.0
    assert round(found["speedup_fp32", "espcn_rgb", "tensorrt", "int8"], 2) == 3.69
