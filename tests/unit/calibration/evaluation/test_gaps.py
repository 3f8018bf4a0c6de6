"""A group that is three times as badly off is found, and one that is not is left in peace."""

import numpy as np
import pytest

from embedge.calibration.evaluation.slices import GroupLabels, sliced
from embedge.calibration.intervals.interval import Interval, ratio_at_least

DIM, PEOPLE, PICTURES, RUNS = 32, 300, 4, 100
THRESHOLD, NOISE = 0.5185, 0.46  # FMR 0.1 %, FNMR 2.6 %
# of the other group: three times the FMR, or three times the FNMR, in a large draw
THRICE = {"fmr": (0.092, NOISE), "fnmr": (0.0, 1.23 * NOISE)}


def drawn(generator: np.random.Generator, alike: float, noise: float) -> np.ndarray:
    centre = np.random.default_rng(7).normal(size=DIM)
    people = np.sqrt(1 - alike) * generator.normal(size=(PEOPLE, DIM)) + np.sqrt(alike) * centre
    spread = noise * generator.lognormal(0, 0.3, PEOPLE).repeat(PICTURES)[:, None]
    rows = people.repeat(PICTURES, 0) + spread * generator.normal(size=(PEOPLE * PICTURES, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def flagged(seed: int, alike: float, noise: float) -> dict[str, bool]:
    generator = np.random.default_rng(seed)
    rows = np.concatenate([drawn(generator, 0.0, NOISE), drawn(generator, alike, noise)])
    subjects = np.arange(2 * PEOPLE).repeat(PICTURES)
    groups = GroupLabels({"group": np.repeat(["a", "b"], PEOPLE * PICTURES).tolist()})
    return {
        one.rate: one.words is not None for one in sliced(rows, subjects, groups, THRESHOLD).worst
    }


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["fmr", "fnmr"])
def test_a_gap_of_three_is_found(rate):
    assert sum(flagged(seed, *THRICE[rate])[rate] for seed in range(RUNS)) >= 95


@pytest.mark.slow
def test_groups_that_are_alike_are_seldom_told_apart():
    found = [flagged(seed, 0.0, NOISE) for seed in range(RUNS)]
    assert sum(one["fmr"] for one in found) <= 5
    assert sum(one["fnmr"] for one in found) <= 5


def test_a_gap_of_three_is_found_in_a_few_runs():
    assert all(flagged(seed, *THRICE["fmr"])["fmr"] for seed in range(3))


def test_the_ratio_that_is_certain_takes_both_doubts_together():
    most, least = Interval(0.04, 0.09), Interval(0.01, 0.03)
    found = ratio_at_least(0.06, most, 0.02, least)
    ends = 0.04 / 0.03
    assert ends < found < 3
    assert found == pytest.approx(3 * np.exp(-np.hypot(np.log(1.5), np.log(1.5))))
    assert ratio_at_least(0.06, most, 0.0, Interval(0.0, 0.02)) == pytest.approx(2)
    assert ratio_at_least(0.0, Interval(0.0, 0.02), 0.0, Interval(0.0, 0.02)) == 1
    assert ratio_at_least(0.021, Interval(0.01, 0.04), 0.02, least) == 1
