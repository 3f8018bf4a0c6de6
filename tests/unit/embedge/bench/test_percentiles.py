"""Quantiles are nearest-rank, their intervals cover, and small samples are refused."""

import numpy as np
import pytest

from embedge.bench.percentiles import quantile_interval, runs_needed
from embedge.bench.results import Percentiles


@pytest.mark.parametrize(("q", "needed"), [(0.5, 6), (0.9, 36), (0.99, 368), (0.999, 3688)])
def test_the_runs_a_quantile_takes(q: float, needed: int) -> None:
    assert runs_needed(q) == needed
    assert max(q, 1 - q) ** needed <= 0.025 < max(q, 1 - q) ** (needed - 1)


def test_quantiles_are_the_nearest_rank() -> None:
    found = Percentiles.of(np.random.default_rng(0).permutation(np.arange(1.0, 1001.0)))
    assert (found.p50, found.p90, found.p99) == (500.0, 900.0, 990.0)
    assert (found.max, found.mean, found.n) == (1000.0, 500.5, 1000)
    assert found.needs == {}


def test_what_n_cannot_carry_is_null_and_says_what_it_needs() -> None:
    found = Percentiles.of(np.arange(40.0))
    assert (found.p50, found.p90, found.p99) == (19.0, 35.0, None)
    assert found.needs == {"p99": 368}
    assert set(found.interval) == {"p50", "p90"}


def test_an_interval_is_refused_below_its_sample() -> None:
    with pytest.raises(ValueError, match="368"):
        quantile_interval(np.arange(367.0), 0.99)
    assert quantile_interval(np.arange(368.0), 0.99)[1] == 367.0


def test_nothing_measured_is_no_result() -> None:
    with pytest.raises(ValueError, match="no run"):
        Percentiles.of([])


@pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.5, 101), (0.9, 36), (0.9, 400), (0.99, 368)])
def test_the_intervals_cover_as_promised(q: float, n: int) -> None:
    """A skewed law; 3,000 draws put four standard errors at 0.016."""
    draws = np.sort(np.random.default_rng(1).exponential(size=(3000, n)), axis=1)
    truth = -np.log(1 - q)
    bounds = np.array([quantile_interval(row, q) for row in draws])
    covered = np.mean((bounds[:, 0] <= truth) & (truth <= bounds[:, 1]))
    assert covered >= 0.95 - 0.016


def test_a_large_sample_gives_a_tight_interval() -> None:
    low, high = quantile_interval(np.sort(np.random.default_rng(2).uniform(size=100_000)), 0.9)
    assert 0.895 < low < 0.9 < high < 0.905
