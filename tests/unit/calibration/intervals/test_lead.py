"""The interval of a difference: paired, over people, and right about as often as it says."""

import numpy as np
import pytest

from embedge.calibration.intervals.bootstrap import resampled
from embedge.calibration.intervals.lead import Lead, lead
from embedge.calibration.intervals.rates import tar_rounds
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import operating_point

FMR, PEOPLE, PICTURES = 0.01, 40, 4


def two_models(seed: int, noise: tuple[float, float]) -> Lead:
    """Both see the same pictures, each with a noise of its own."""
    generator = np.random.default_rng(seed)
    people = np.repeat(generator.normal(size=(PEOPLE, 16)), PICTURES, 0)
    pictures = people + 0.6 * generator.normal(size=people.shape)
    labels = np.repeat(np.arange(PEOPLE), PICTURES)
    tars, rounds = [], []
    for own in noise:
        rows = pictures + own * generator.normal(size=people.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        scores = pairs_within(rows.astype(np.float32), labels)
        tars.append(operating_point(scores, FMR).tar)
        rounds.append(tar_rounds(resampled(scores, rounds=200), FMR))
    return lead(tars[0] - tars[1], *rounds, PEOPLE)


def test_equal_models_are_seldom_told_apart():
    wrong = sum(two_models(seed, (0.4, 0.4)).certain for seed in range(60))
    assert wrong <= 7  # 3 are expected; 8 or more happen once in a hundred times


def test_a_better_model_is_seen_to_be_better():
    found = [two_models(seed, (0.2, 0.8)) for seed in range(10)]
    assert all(one.certain and one.low > 0 for one in found)


def test_what_is_hard_for_both_cancels_out():
    generator = np.random.default_rng(0)
    hard, own = generator.normal(size=500), 0.1 * generator.normal(size=(2, 500))
    paired = lead(0.0, hard + own[0], hard + own[1], 50)
    apart = lead(0.0, hard + own[0], generator.permutation(hard) + own[1], 50)
    assert paired.high < apart.high / 5


@pytest.mark.parametrize("people", [5, 50, 5000])
def test_its_width_is_students_quantile_of_the_spread_of_differences(people):
    from scipy import stats

    rounds = np.random.default_rng(1).normal(size=400)
    found = lead(0.3, rounds, np.zeros(400), people)
    width = stats.t.ppf(0.975, people - 1) * rounds.std() * (people / (people - 1)) ** 0.5
    assert found.high - 0.3 == pytest.approx(width, rel=0.01)
    assert found.high - 0.3 == pytest.approx(0.3 - found.low)
