"""What the benchmark of coverage calls held: nothing before every population has its trials."""

import pytest
from benchmark import benchmark

coverage = benchmark("interval_coverage")

GOOD = {
    "lowest_coverage": 0.95,
    "most_one_sided": 0.03,
    "most_threshold_misses": 0.05,
    "least_median_of_target": 0.7,
}


def whole(trials: int = coverage.TRIALS) -> dict[str, dict[str, int]]:
    return {one.name: {"trials": trials} for one in coverage.POPULATIONS}


def test_all_is_held_where_every_population_has_its_trials() -> None:
    assert coverage.lacking(whole()) == {}
    assert set(coverage.held_of(GOOD, whole()).values()) == {True}


@pytest.mark.parametrize("trials", [0, 75, 499])
def test_one_population_with_fewer_trials_holds_nothing(trials: int) -> None:
    name = coverage.POPULATIONS[5].name
    short = {**whole(), name: {"trials": trials}}
    assert coverage.lacking(short) == {name: trials}
    assert set(coverage.held_of(GOOD, short).values()) == {False}


def test_a_population_that_is_not_there_holds_nothing() -> None:
    absent = whole()
    del absent[coverage.POPULATIONS[-1].name]
    assert coverage.lacking(absent) == {coverage.POPULATIONS[-1].name: 0}
    assert set(coverage.held_of(GOOD, absent).values()) == {False}


@pytest.mark.parametrize("name", GOOD)
def test_a_bound_that_is_missed_is_not_held(name: str) -> None:
    bad = {**GOOD, name: 0.5 if "most" in name else 0.1}
    held = coverage.held_of(bad, whole())
    assert [one for one, holds in held.items() if not holds] == [name]


def test_every_regime_that_was_asked_for_is_among_the_populations() -> None:
    asked = [(12, 40), (30, 20), (100, 8), (300, 8), (200, 5)]
    assert {(one.subjects, one.images) for one in coverage.POPULATIONS} >= set(asked)
    unequal = [one for one in coverage.POPULATIONS if one.subjects == 1000 and one.unequal]
    assert {one.fmr for one in unequal} == {1e-3, 1e-4, 1e-5}
    assert any(one.wolves == 0.02 for one in coverage.POPULATIONS)
    assert any(one.group == 0.02 for one in coverage.POPULATIONS)
