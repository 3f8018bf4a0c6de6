"""Intervals against scipy, against a naive bootstrap, and against what they must never do."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats import beta

from embedge.calibration.intervals import bootstrap
from embedge.calibration.intervals.binomial import lower_bound, rule_of_three, upper_bound
from embedge.calibration.intervals.bootstrap import resampled
from embedge.calibration.intervals.rates import (
    clustered_interval,
    design_effect,
    equal_error_interval,
    fmr_interval,
    fmr_upper,
    fnmr_interval,
    tar_interval,
)
from embedge.calibration.pairs import pairs_between, pairs_listed, pairs_within
from embedge.calibration.rates import equal_error, operating_point
from embedge.calibration.scores import PairScores


def faces(subjects: int, images: int, seed: int = 0, dim: int = 24) -> tuple:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(subjects, dim))
    rows = np.repeat(centres, images, 0) + 0.75 * generator.normal(size=(subjects * images, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), np.repeat(np.arange(subjects), images)


@pytest.fixture(scope="module")
def scores() -> PairScores:
    return pairs_within(*faces(30, 5))


@pytest.mark.parametrize("errors", [0, 0.4, 3, 57.5, 1000])
@pytest.mark.parametrize("trials", [1000.5, 4e6, 1e9])
def test_binomial_bounds_are_those_of_clopper_and_pearson(errors, trials):
    upper, lower = upper_bound(errors, trials, 0.95), lower_bound(errors, trials, 0.95)
    # scipy's quantile is off by a factor of two at 1000 in 10^9; its distribution is right
    assert beta.sf(upper, errors + 1, trials - errors) == pytest.approx(0.05, rel=1e-4)
    if errors:
        assert beta.cdf(lower, errors, trials - errors + 1) == pytest.approx(0.05, rel=1e-4)


def test_the_edges_of_the_binomial_bounds():
    assert upper_bound(10, 10, 0.95) == 1
    assert lower_bound(0, 10, 0.95) == 0
    assert rule_of_three(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert rule_of_three(1000) == pytest.approx(upper_bound(0, 1000, 0.95), rel=1e-9)
    assert rule_of_three(0) == 1


def naive_rounds(scores: PairScores, threshold: float, weights: np.ndarray) -> list:
    """Both rates of every round, comparison by comparison."""
    rates = []
    pairs = list(zip(scores.tail_pairs, scores.tail))
    for drawn in weights:
        counts = [
            (drawn[scores.gallery_subjects[a]] * drawn[scores.probe_subjects[b]], score)
            for (a, b), score in pairs
        ]
        wrong = sum(count for count, score in counts if score > threshold)
        rejected = drawn[scores.genuine_subjects]
        rates.append(
            (
                wrong / sum(count for count, _ in counts),
                rejected[scores.genuine <= np.float32(threshold)].sum() / rejected.sum(),
            )
        )
    return rates


def rotation() -> np.ndarray:
    """A small turn of the space, so that (a, b) and (b, a) no longer tie."""
    noise = 0.05 * np.random.default_rng(8).normal(size=(24, 24))
    return np.linalg.qr(np.eye(24) + noise)[0].astype(np.float32)


def every_kind() -> dict:
    rows, labels = faces(12, 3)
    other, images = faces(12, 3, seed=0)[0] @ rotation(), np.arange(len(rows))
    chosen = np.random.default_rng(2).integers(0, len(rows), (300, 2))
    chosen = chosen[chosen[:, 0] != chosen[:, 1]]
    return {
        "within": pairs_within(rows, labels),
        "between": pairs_between(
            rows, labels, other, labels, gallery_images=images, probe_images=images
        ),
        "listed": pairs_listed(rows, labels, chosen, labels[chosen[:, 0]] == labels[chosen[:, 1]]),
    }


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("kind", ["within", "between", "listed"])
def test_rounds_count_what_a_loop_counts(kind, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(bootstrap, "_DENSE_SUBJECTS", 0)
    scores = every_kind()[kind]
    resampling = resampled(scores, rounds=20, seed=4)
    errors = 25
    threshold = float(scores.tail[-errors - 1])
    oracle = np.asarray(naive_rounds(scores, threshold, resampling.weights))
    np.testing.assert_allclose(resampling.false_match_rates(errors), oracle[:, 0], rtol=1e-5)
    np.testing.assert_allclose(
        resampling.false_non_match_rates(threshold), oracle[:, 1], rtol=1e-5, atol=1e-7
    )
    curves = list(resampling.curves(60))
    fmr = np.concatenate([part.fmr[:, errors] for part in curves])
    fnmr = np.concatenate([part.fnmr[:, errors] for part in curves])
    np.testing.assert_allclose(fmr, oracle[:, 0], rtol=1e-4)
    np.testing.assert_allclose(fnmr, oracle[:, 1], rtol=1e-5, atol=1e-7)


def test_thinned_curves_stay_close(scores, monkeypatch):
    resampling = resampled(scores, rounds=100)
    point = operating_point(scores, 0.05)
    full = tar_interval(resampling, point)
    monkeypatch.setattr(bootstrap, "_EVENTS", 400)
    thinned = tar_interval(resampling, point)
    assert thinned.low == pytest.approx(full.low, abs=0.01)
    assert thinned.high == pytest.approx(full.high, abs=0.01)


def test_people_not_comparisons_are_what_counts(scores):
    """A binomial interval of the comparisons is several times too narrow for clustered scores."""
    resampling = resampled(scores)
    threshold = float(scores.tail[int(len(scores.tail) * 0.95)])
    interval = fmr_interval(resampling, threshold)
    errors = scores.impostors_above(threshold)
    naive = upper_bound(errors, scores.impostors, 0.975) - lower_bound(
        errors, scores.impostors, 0.975
    )
    assert interval.high - interval.low > 2.5 * naive
    assert interval.low < errors / scores.impostors < interval.high


def test_zero_errors_fall_back_to_the_rule_of_three(scores):
    resampling = resampled(scores)
    effect = design_effect(resampling, 0)
    assert effect > 1
    assert fmr_upper(resampling, 0) == pytest.approx(3 * effect / scores.impostors, rel=0.01)
    perfect = fnmr_interval(resampling, -1.0)
    assert perfect.low == 0
    assert perfect.high == pytest.approx(upper_bound(0, 30, 0.975))


def test_upper_bounds_grow_with_the_errors(scores):
    resampling = resampled(scores)
    bounds = [fmr_upper(resampling, errors) for errors in range(0, 31, 3)]
    assert bounds == sorted(bounds)


def test_the_same_seed_gives_the_same_interval():
    scores = pairs_within(*faces(30, 5, dim=12))
    point = equal_error(scores)
    first, again = (equal_error_interval(resampled(scores, seed=9), point) for _ in range(2))
    assert first == again
    assert first != equal_error_interval(resampled(scores, seed=10), point)
    assert first.low < point.rate < first.high


@pytest.mark.parametrize(("people", "confidence"), [(5, 0.95), (12, 0.9), (40, 0.95), (400, 0.99)])
def test_few_people_widen_an_interval_as_students_quantile_says(people, confidence):
    rounds, rate = np.random.default_rng(0).normal(0.2, 0.03, 500), 0.2
    z, t = (f.ppf((1 + confidence) / 2) for f in (stats.norm, stats.t(people - 1)))
    effective = rate * (1 - rate) / np.var(rounds) * (z / t) ** 2 * (people - 1) / people
    low, high = stats.beta.ppf(
        [(1 - confidence) / 2, (1 + confidence) / 2],
        [rate * effective, rate * effective + 1],
        [(1 - rate) * effective + 1, (1 - rate) * effective],
    )
    found = clustered_interval(rate, rounds, people, confidence)
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.01)
