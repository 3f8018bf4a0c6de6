"""A group that is three times as badly off is found, and one that is not is left in peace."""

import numpy as np
import pytest
from two_groups import NOISE, RUNS, THRICE, flagged

from embedge.calibration.intervals.interval import Interval, ratio_at_least


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["fmr", "fnmr"])
def test_a_gap_of_three_is_found(rate: str) -> None:
    assert sum(flagged(seed, *THRICE[rate])[rate] for seed in range(RUNS)) >= 95


@pytest.mark.slow
def test_groups_that_are_alike_are_seldom_told_apart() -> None:
    found = [flagged(seed, 0.0, NOISE) for seed in range(RUNS)]
    assert sum(one["fmr"] for one in found) <= 5
    assert sum(one["fnmr"] for one in found) <= 5


def test_a_gap_of_three_is_found_in_a_few_runs() -> None:
    assert all(flagged(seed, *THRICE["fmr"])["fmr"] for seed in range(3))


def test_the_ratio_that_is_certain_takes_both_doubts_together() -> None:
    most, least = Interval(0.04, 0.09), Interval(0.01, 0.03)
    found = ratio_at_least(0.06, most, 0.02, least)
    ends = 0.04 / 0.03
    assert ends < found < 3
    assert found == pytest.approx(3 * np.exp(-np.hypot(np.log(1.5), np.log(1.5))))
    assert ratio_at_least(0.06, most, 0.0, Interval(0.0, 0.02)) == pytest.approx(2)
    assert ratio_at_least(0.0, Interval(0.0, 0.02), 0.0, Interval(0.0, 0.02)) == 1
    assert ratio_at_least(0.021, Interval(0.01, 0.04), 0.02, least) == 1
