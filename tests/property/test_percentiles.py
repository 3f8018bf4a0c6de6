"""Percentiles against a plain definition, on any sample."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from embedge.bench.percentiles import QUANTILES, runs_needed
from embedge.bench.results import Percentiles

samples = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=600)


def oracle(values: list[float], q: float) -> float:
    """The smallest value with at least the share q of all values at or under it."""
    return min(v for v in values if sum(w <= v for w in values) >= q * len(values) - 1e-9)


@given(samples)
def test_quantiles_follow_the_definition_or_are_absent(values: list[float]) -> None:
    found = Percentiles.of(values)
    for name, q in QUANTILES.items():
        if len(values) < runs_needed(q):
            assert getattr(found, name) is None
            assert found.needs[name] == runs_needed(q)
        else:
            value = getattr(found, name)
            assert value == round(oracle(values, q), 4)
            low, high = found.interval[name]
            assert low <= value <= high


@given(samples, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Percentiles.of(values), Percentiles.of(shuffled)
    assert replace(one, mean=None) == replace(other, mean=None)
    assert math.isclose(one.mean or 0, float(np.mean(values)), rel_tol=1e-9, abs_tol=1e-4)
