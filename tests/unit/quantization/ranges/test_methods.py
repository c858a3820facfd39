"""Each method against an oracle that looks at the raw values in float64."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from superres.quantization.ranges import methods
from superres.quantization.ranges.cache import format_cache
from superres.quantization.ranges.histogram import Statistics, measure
from superres.quantization.ranges.methods import Choice
from superres.quantization.settings import CalibrationSettings

RNG = np.random.default_rng(17)
SAMPLES = {
    "relu of a normal": np.maximum(RNG.standard_normal(60_000), 0) * 0.37,
    "heavy tail": RNG.standard_t(3, 60_000) * 0.1,
    "uniform": RNG.random(40_000) * 0.9,
    "eight bits": RNG.integers(0, 256, 50_000) ** 2 // 256 / 255,
    "one outlier": np.append(RNG.standard_normal(20_000), 25.0),
}
SAMPLES = {name: values.astype(np.float32) for name, values in SAMPLES.items()}


def seen(values: np.ndarray) -> Statistics:
    with ThreadPoolExecutor(1) as pool:
        return measure(values, np.array([values.min()]), np.array([values.max()]), pool, 1)


def choose(values: np.ndarray, method: str, percentile: float = 99.99) -> Choice:
    return getattr(methods, method)(
        seen(values), CalibrationSettings(name="some", method=method, percentile=percentile)
    )


def entropy_oracle(values: np.ndarray) -> tuple[list[float], int]:
    """Divergence of every candidate of Migacz's pseudocode, and the candidate it takes."""
    magnitudes = np.sort(np.abs(values.astype(np.float64)))
    edges = magnitudes[-1] * np.arange(1, 2048) / 2048
    places = np.searchsorted(magnitudes, edges, side="left")
    bins = [float(n) for n in np.diff(np.concatenate([[0], places, [len(magnitudes)]]))]
    bins[0] = bins[1]
    divergences = []
    for size in range(128, 2049):
        reference = bins[:size]
        reference[-1] += sum(bins[size:])
        levels: list[list[int]] = [[] for _ in range(128)]
        for k in range(size):
            if bins[k] > 0:
                levels[128 * k // size].append(k)
        candidate = [0.0] * size
        for level in levels:
            for k in level:
                candidate[k] = sum(bins[j] for j in level) / len(level)
        p_sum, q_sum = sum(reference), sum(candidate)
        divergence = 0.0
        for p, q in zip(reference, candidate, strict=True):
            if p > 0:
                divergence += math.inf if q == 0 else p / p_sum * math.log(p / p_sum / (q / q_sum))
        divergences.append(divergence)
    least = min(divergences)
    return divergences, 128 + max(i for i, d in enumerate(divergences) if d == least)


def mse_of(values: np.ndarray, amax: float) -> float:
    step = amax / 127
    data = values.astype(np.float64)
    return float(np.mean((data - step * np.clip(np.rint(data / step), -127, 127)) ** 2))


@pytest.mark.parametrize("name", SAMPLES)
def test_minmax_is_exact(name: str) -> None:
    assert choose(SAMPLES[name], "minmax").amax == float(np.abs(SAMPLES[name]).max())


@pytest.mark.parametrize("share", [50.0, 99.0, 99.9, 99.99, 100.0])
@pytest.mark.parametrize("name", SAMPLES)
def test_percentile_is_within_a_bin_of_the_sorted_values(name: str, share: float) -> None:
    magnitudes = np.sort(np.abs(SAMPLES[name].astype(np.float64)))
    exact = magnitudes[math.ceil(round(share * 1000) * len(magnitudes) / 100_000) - 1]
    found = choose(SAMPLES[name], "percentile", share)
    assert exact <= found.amax <= exact + magnitudes[-1] * 2**-17
    assert (found.note is not None) >= (found.amax == magnitudes[-1])


@pytest.mark.parametrize("name", SAMPLES)
def test_entropy_is_as_good_as_the_pseudocode(name: str) -> None:
    divergences, best = entropy_oracle(SAMPLES[name])
    largest = float(np.abs(SAMPLES[name]).max())
    found = choose(SAMPLES[name], "entropy").amax / largest * 2048 - 0.5
    assert found == pytest.approx(round(found), abs=1e-9)
    # A fine bin at the edge of a coarse one may count on the other side, which decides near ties otherwise.
    assert divergences[round(found) - 128] <= divergences[best - 128] * 1.02


@pytest.mark.parametrize("name", SAMPLES)
def test_entropy_is_the_pseudocodes_where_edges_coincide(name: str) -> None:
    # Whole multiples of 2^-17 below 1, and 1: every edge of the 2048 bins is one of the fine bins.
    grid = np.floor(np.abs(SAMPLES[name]) / np.abs(SAMPLES[name]).max() * 2**17) / 2**17
    values = np.append(np.minimum(grid, 1 - 2**-17), 1.0).astype(np.float32)
    assert choose(values, "entropy").amax == (entropy_oracle(values)[1] + 0.5) / 2048


@pytest.mark.parametrize("name", SAMPLES)
def test_mse_is_the_least_over_all_ranges(name: str) -> None:
    values = SAMPLES[name]
    largest = float(np.abs(values).max())
    found = choose(values, "mse").amax
    # A sixteenth of the candidates, the neighbours of the one taken, and the largest magnitude.
    grid = (
        largest * np.append(np.arange(16, 8193, 16), round(found / largest * 8192) + np.arange(-8, 9)) / 8192
    )
    least = min(mse_of(values, amax) for amax in np.minimum(grid, largest))
    assert mse_of(values, found) <= least * (1 + 1e-3)


def test_methods_do_what_they_are_for() -> None:
    outlier = SAMPLES["one outlier"]
    assert choose(outlier, "minmax").amax == 25.0
    assert 3 < choose(outlier, "percentile", 99.9).amax < 4
    assert choose(outlier, "entropy").amax < 8
    # One value in 20,001 that is clipped by 17 costs more than steps three times as coarse.
    assert 20 < choose(outlier, "mse").amax < 25


def test_a_range_like_min_max_says_why() -> None:
    white = np.append(SAMPLES["eight bits"], np.ones(5000, np.float32))
    assert "% of the values reach it" in (choose(white, "percentile", 99.9).note or "")
    spikes = np.array([0.0, 1.0, -1.0, 0.5] * 9, np.float32)
    assert choose(spikes, "percentile", 60.0).note is not None
    one = np.array([1.0, 1.0], np.float32)
    assert choose(one, "mse").amax == 1.0
    assert "as in min-max" in (choose(one, "mse").note or "")


def test_entropy_gives_scales_that_tensorrts_caches_have() -> None:
    # 3c010a14 is everywhere, for outputs that reach 1.0; 3c008912 is the 8-bit input ("data") of sampleINT8's
    # README.
    assert format_cache({"prob": choose(np.ones(9, np.float32), "entropy").amax}).split()[-1] == "3c010a14"
    rare_white = np.append((np.arange(255).repeat(400) / 255), 1).astype(np.float32)
    assert format_cache({"data": choose(rare_white, "entropy").amax}).split()[-1] == "3c008912"
