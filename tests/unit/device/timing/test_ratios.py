import math

import numpy as np
import pytest

from superres.device.timing.ratios import Ratio, median_ratio


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
