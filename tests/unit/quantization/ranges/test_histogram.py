from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from superres.quantization.ranges.histogram import BINS, Statistics, measure, merge


def seen(values: np.ndarray, workers: int = 1) -> Statistics:
    with ThreadPoolExecutor(workers) as pool:
        return measure(values, np.array([values.min()]), np.array([values.max()]), pool, workers)


def assert_same(one: Statistics, other: Statistics) -> None:
    assert (one.low, one.high, one.exponent) == (other.low, other.high, other.exponent)
    np.testing.assert_array_equal(one.counts, other.counts)


@pytest.mark.parametrize("spread", [1e-20, 3e-4, 1.0, 700.0, 1e30])
def test_bins_are_those_of_exact_arithmetic(spread: float) -> None:
    values = (np.random.default_rng(2).standard_normal(500) * spread).astype(np.float32)
    found = seen(values)
    reach = Fraction(1)
    while reach <= Fraction(float(np.abs(values).max())):
        reach *= 2
    while reach / 2 > Fraction(float(np.abs(values).max())):
        reach /= 2
    expected = np.zeros(BINS, np.int64)
    for value in np.abs(values):
        expected[int(Fraction(float(value)) * BINS / reach)] += 1
    np.testing.assert_array_equal(found.counts, expected)
    assert Fraction(found.width) == reach / BINS
    assert found.amax == float(np.abs(values).max())
    # The docstrings' promise about every bin.
    assert found.width <= found.amax / 2**17


def test_order_parts_and_threads_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    values = (rng.standard_normal((3, 700_000)) * np.array([[0.01], [1.0], [90.0]])).astype(np.float32)
    whole = seen(values)
    assert whole.total == values.size
    assert_same(seen(values, workers=3), whole)
    pieces = [seen(row) for row in values]
    assert_same(merge(merge(pieces[0], pieces[1]), pieces[2]), whole)
    assert_same(merge(pieces[2], merge(pieces[1], pieces[0])), whole)


def test_zeros_join_any_range() -> None:
    values = np.array([0.75, -2.0], np.float32)
    joined = merge(seen(np.zeros(5, np.float32)), seen(values))
    assert_same(joined, seen(np.concatenate([np.zeros(5, np.float32), values])))
    assert joined.counts[0] == 5 and joined.exponent == 2
