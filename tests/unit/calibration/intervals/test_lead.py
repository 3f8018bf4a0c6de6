"""The interval of a difference: paired, over people, and right about as often as it says."""

import numpy as np
import pytest
from sufficient import enough

from embedge.calibration.intervals import bootstrap
from embedge.calibration.intervals.bootstrap import resampled
from embedge.calibration.intervals.lead import (
    Lead,
    TarOfPeople,
    clustered_interval,
    lead,
    tar_of_people,
)
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import operating_point

FMR, PEOPLE, PICTURES = 0.01, 40, 4


def two_models(seed: int, noise: tuple[float, float]) -> Lead:
    """Both see the same pictures, each with a noise of its own."""
    generator = np.random.default_rng(seed)
    people = np.repeat(generator.normal(size=(PEOPLE, 16)), PICTURES, 0)
    pictures = people + 0.6 * generator.normal(size=people.shape)
    labels = np.repeat(np.arange(PEOPLE), PICTURES)
    found = []
    for own in noise:
        rows = pictures + own * generator.normal(size=people.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        scores = pairs_within(rows.astype(np.float32), labels)
        found.append(tar_of_people(scores, enough(operating_point(scores, FMR))))
    first, second = found
    return lead(first, second)


def shares(people: int, rounds: np.ndarray, rate: float = 0.5) -> TarOfPeople:
    """Everybody alike: what is said of them is what the rounds say."""
    return TarOfPeople(np.full(people, 6.0), np.full(people, 6 * rate), rounds)


def test_equal_models_are_seldom_told_apart() -> None:
    wrong = sum(two_models(seed, (0.4, 0.4)).certain for seed in range(60))
    assert wrong <= 7  # 3 are expected; 8 or more happen once in a hundred times


def test_a_better_model_is_seen_to_be_better() -> None:
    found = [two_models(seed, (0.2, 0.8)) for seed in range(10)]
    assert all(one.certain and one.low > 0 for one in found)


def test_what_is_hard_for_both_cancels_out() -> None:
    generator = np.random.default_rng(0)
    hard, own = generator.normal(size=500), 0.01 * generator.normal(size=(2, 500))
    paired = lead(shares(5000, 0.1 * hard + own[0]), shares(5000, 0.1 * hard + own[1]))
    other = 0.1 * generator.permutation(hard)
    apart = lead(shares(5000, 0.1 * hard + own[0]), shares(5000, other + own[1]))
    assert paired.high < apart.high / 5


@pytest.mark.parametrize("people", [5, 50, 5000])
def test_its_width_is_students_quantile_of_the_spread_of_differences(people: int) -> None:
    from scipy import stats

    rounds = 0.2 * np.random.default_rng(1).normal(size=400)
    found = lead(shares(people, rounds, 0.6), shares(people, np.zeros(400), 0.5))
    width = stats.t.ppf(0.975, people - 1) * rounds.std() * (people / (people - 1)) ** 0.5
    assert found.high - 0.1 == pytest.approx(width, rel=0.01)
    assert found.high - 0.1 == pytest.approx(0.1 - found.low) or found.low < -0.4


@pytest.mark.parametrize("people", [2, 12, 30, 300])
def test_where_nothing_turned_as_much_may_be_lost_as_the_rule_of_three_says(people: int) -> None:
    same = shares(people, np.zeros(200))
    found, most = lead(same, same), 1 - 0.025 ** (1 / people)
    assert found.difference == 0
    assert found.high == pytest.approx(most, rel=0.05)
    assert found.high >= most - 1e-12
    assert found.low <= -most + 1e-12


@pytest.mark.parametrize(("people", "confidence"), [(12, 0.9), (40, 0.95), (400, 0.99)])
def test_few_people_widen_an_interval_as_students_quantile_says(
    people: int, confidence: float
) -> None:
    from scipy import stats

    rounds, rate = np.random.default_rng(0).normal(0.3, 0.03, 500), 0.3
    z, t = (f.ppf((1 + confidence) / 2) for f in (stats.norm, stats.t(people - 1)))
    effective = rate * (1 - rate) / np.var(rounds) * (z / t) ** 2 * (people - 1) / people
    low, high = stats.beta.ppf(
        [(1 - confidence) / 2, (1 + confidence) / 2],
        [rate * effective, rate * effective + 1],
        [(1 - rate) * effective + 1, (1 - rate) * effective],
    )
    untouched = 1 - ((1 - confidence) / 2) ** (1 / people)
    found = clustered_interval(rate, rounds, people, confidence)
    assert found.low == pytest.approx(min(low, 1 - untouched), rel=0.01)
    assert found.high == pytest.approx(max(high, untouched), rel=0.01)


@pytest.mark.parametrize("dense", [True, False])
def test_rounds_count_what_a_loop_counts(dense: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not dense:
        monkeypatch.setattr(bootstrap, "_DENSE_SUBJECTS", 0)
    generator = np.random.default_rng(5)
    rows = np.repeat(generator.normal(size=(12, 8)), 3, 0) + generator.normal(size=(36, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = pairs_within(rows.astype(np.float32), np.repeat(np.arange(12), 3))
    resampling, errors = resampled(scores, rounds=20, seed=4), 25
    threshold = scores.tail[-errors - 1]
    parts = list(resampling.curves(60))
    fmr = np.concatenate([part.fmr[:, errors] for part in parts])
    fnmr = np.concatenate([part.fnmr[:, errors] for part in parts])
    left, right = scores.gallery_subjects[scores.tail_pairs].T
    for number, drawn in enumerate(resampling.weights):
        counts, own = drawn[left] * drawn[right], drawn[scores.genuine_subjects]
        assert fmr[number] == pytest.approx(counts[scores.tail > threshold].sum() / counts.sum())
        rejected = own[scores.genuine <= threshold].sum() / own.sum()
        assert fnmr[number] == pytest.approx(rejected, abs=1e-6)
