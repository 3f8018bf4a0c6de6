"""Errors that sit in a few people, lumps that nobody met: intervals hold where they are used."""

import numpy as np
import pytest

from embedge.calibration.intervals.dyads import Lumps
from embedge.calibration.intervals.people import Mates
from embedge.calibration.intervals.rates import carried_point, evidence_of, tar_interval
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import OperatingPoint

FNMR, TRIALS = 0.004, 200


@pytest.mark.parametrize(("people", "pictures"), [(12, 40), (30, 20), (100, 8), (300, 8)])
@pytest.mark.parametrize("unequal", [0.02, 0.3])
def test_the_truth_is_held_when_most_people_never_err(
    people: int, pictures: int, unequal: float
) -> None:
    """Every person has a rate of his own: nearly none but for a few, and 0.4 % in the mean."""
    generator = np.random.default_rng([people, pictures])
    each = pictures * (pictures - 1) // 2
    rates = generator.beta(unequal, unequal * (1 / FNMR - 1), (TRIALS, people))
    mates = Mates.of(np.repeat(np.arange(people), each))
    found = [mates.shared(wrong) for wrong in generator.binomial(each, rates).astype(np.float32)]
    assert np.mean([one.high < FNMR for one in found]) <= 0.05
    assert np.mean([one.low > FNMR for one in found]) <= 0.05


def test_people_with_more_pictures_weigh_more_and_are_still_one_person() -> None:
    """One of 20 people has half of all comparisons: another such may come, and be rejected."""
    owners = np.concatenate([np.zeros(190, int), np.repeat(np.arange(1, 20), 10)])
    mates = Mates.of(owners)
    assert mates.people == 20
    alone = np.zeros(20, np.float32)
    alone[0] = 190
    others = np.zeros(20, np.float32)
    others[1] = 10
    assert mates.shared(alone).high > 0.65
    assert 0.35 < mates.shared(others).high < mates.shared(alone).high
    nobody = mates.shared(np.zeros(20, np.float32)).high
    assert 0.5 < nobody < mates.shared(others).high


@pytest.mark.parametrize("confidence", [0.95, 0.975])
def test_a_heavier_lump_is_a_higher_bound(confidence: float) -> None:
    bounds = [
        Lumps(1e-3, variance, heaviest).upper(confidence)
        for variance, heaviest in ((1e-9, 1e-6), (1e-9, 1e-4), (1e-7, 1e-4), (1e-7, 1e-3))
    ]
    assert bounds == sorted(bounds)
    assert bounds[0] > 1e-3
    assert Lumps(1e-3, 1e-9, 1e-6).lower(confidence) < 1e-3


def test_at_one_in_a_hundred_thousand_807_people_still_say_something() -> None:
    """The interval of the TAR reached once from 30 to 100 %, of the same size of test."""
    generator = np.random.default_rng(12)
    people, labels = generator.normal(size=(807, 48)), np.repeat(np.arange(807), 3)
    spread = 0.32 * generator.lognormal(0, 0.3, 807)[labels, None]
    rows = people[labels] + spread * generator.normal(size=(len(labels), 48))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    evidence = evidence_of(pairs_within(rows.astype(np.float32), labels, tail_limit=40_000))
    point = carried_point(evidence, 1e-5)
    assert isinstance(point, OperatingPoint)
    found = tar_interval(evidence, point)
    assert found.low <= point.tar <= found.high
    assert found.low > point.tar - 0.1
