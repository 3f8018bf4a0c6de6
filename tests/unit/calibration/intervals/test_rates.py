"""Intervals against scipy, plain loops and a jackknife, and against what they must never do."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from sufficient import enough

from embedge.calibration.intervals.binomial import lower_bound, rule_of_three, upper_bound
from embedge.calibration.intervals.dyads import Strangers
from embedge.calibration.intervals.interval import Interval, together
from embedge.calibration.intervals.people import Mates
from embedge.calibration.intervals.rates import (
    carried_point,
    equal_error_interval,
    evidence_of,
    fmr_interval,
    fnmr_interval,
    tar_interval,
)
from embedge.calibration.pairs import pairs_between, pairs_listed, pairs_within
from embedge.calibration.rates import (
    Insufficient,
    equal_error,
    false_non_match_rate,
    people_for,
)
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import threshold_at


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
def test_binomial_bounds_are_those_of_clopper_and_pearson(errors: float, trials: float) -> None:
    upper, lower = upper_bound(errors, trials, 0.95), lower_bound(errors, trials, 0.95)
    # scipy's quantile is off by a factor of two at 1000 in 10^9; its distribution is right
    assert beta.sf(upper, errors + 1, trials - errors) == pytest.approx(0.05, rel=1e-4)
    if errors:
        assert beta.cdf(lower, errors, trials - errors + 1) == pytest.approx(0.05, rel=1e-4)


def test_the_edges_of_the_binomial_bounds() -> None:
    assert upper_bound(10, 10, 0.95) == 1
    assert lower_bound(0, 10, 0.95) == 0
    assert rule_of_three(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert rule_of_three(1000) == pytest.approx(upper_bound(0, 1000, 0.95), rel=1e-9)
    assert rule_of_three(0) == 1


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


@pytest.mark.parametrize("kind", ["within", "between", "listed"])
@pytest.mark.parametrize("errors", [40, 160])
def test_the_dyadic_variance_is_that_of_a_double_loop(kind: str, errors: int) -> None:
    """Products of deviations of every two pairs of people that share somebody."""
    scores = every_kind()[kind]
    strangers, trials = Strangers(scores), scores.impostors
    wrong, met = meetings(scores, errors)
    rate = errors / trials
    total = heaviest = own = 0.0
    lumps = Counter[int]()
    for one in met:
        first = wrong[one] - rate * met[one]
        own += first**2
        for other in met:
            if one & other:
                product = first * (wrong[other] - rate * met[other])
                total += product
                for person in one & other if one != other else one:
                    lumps[person] += product / len(one & other)
    heaviest = max(lumps.values()) ** 0.5
    people = len(set().union(*met))
    found = strangers.lumps(errors)
    expected = max(total, own) * people / (people - 1) / (1 - rate) / trials**2
    unit = 1 / len(met)
    assert strangers.pairs == len(met)
    assert found.variance == pytest.approx(max(expected, rate * unit), rel=1e-9)
    assert found.heaviest == pytest.approx(max(heaviest / trials, unit), rel=1e-9)


def meetings(
    scores: PairScores, errors: int
) -> tuple[Counter[frozenset[int]], Counter[frozenset[int]]]:
    """For every two people: how many of their comparisons are wrong, and how many there are."""
    wrong, met = Counter[frozenset[int]](), Counter[frozenset[int]]()
    last = len(scores.tail) - errors
    for place, (a, b) in enumerate(scores.tail_pairs):
        pair = frozenset((int(scores.gallery_subjects[a]), int(scores.probe_subjects[b])))
        met[pair] += 1
        wrong[pair] += place >= last
    return wrong, met


def test_the_dyadic_variance_is_the_brute_force_jackknife() -> None:
    """Everybody is left out once, and every two people; each change counts by what it rests on.

    What two people share is in the change of either: the dyadic variance counts it once.
    """
    rows, labels = faces(40, 2, dim=12)
    rows[labels < 10] += 0.6 * rows[0]  # some resemble each other: people matter, not only pairs
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores, errors = pairs_within(rows, labels), 300
    sides = np.stack(
        [
            scores.gallery_subjects[scores.tail_pairs[:, 0]],
            scores.probe_subjects[scores.tail_pairs[:, 1]],
        ]
    )
    wrong, trials = scores.tail > scores.tail[-errors - 1], scores.impostors
    rate = errors / trials

    def change(left: np.ndarray) -> float:
        return (rate - wrong[left].mean()) * left.sum() / trials

    people = sum(change(~(sides == one).any(axis=0)) ** 2 for one in range(40))
    pairs = sum(
        change(~((sides == a) | (sides == b)).all(axis=0)) ** 2
        for a in range(40)
        for b in range(a + 1, 40)
    )
    found = Strangers(scores).lumps(errors).variance
    assert found == pytest.approx((people - pairs) * 40 / 39 / (1 - rate), rel=1e-9)


def test_all_or_nothing_people_have_the_interval_of_clopper_and_pearson() -> None:
    """Each of 40 people has 10 comparisons; 3 fail in all of theirs."""
    mates = Mates.of(np.repeat(np.arange(40), 10))
    found = mates.interval(30)
    assert found.low == pytest.approx(beta.ppf(0.025, 3, 38), rel=0.06)
    assert found.high == pytest.approx(beta.ppf(0.975, 4, 37), rel=0.03)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=25), st.data())
def test_one_more_rejection_never_lowers_an_interval(wrong: list[int], data: st.DataObject) -> None:
    mates = Mates.of(np.repeat(np.arange(len(wrong)), 6))
    more = list(wrong)
    who = data.draw(st.integers(0, len(wrong) - 1))
    more[who] = min(6, more[who] + 1)
    before, after = (mates.shared(np.asarray(one, np.float32)) for one in (wrong, more))
    assert after.high >= before.high - 1e-6
    assert after.low >= before.low - 1e-6
    assert before.high >= rule_of_three(len(wrong), 0.975) - 1e-9


def test_everybody_rejected_is_the_mirror_of_nobody() -> None:
    mates = Mates.of(np.repeat(np.arange(30), 5))
    nobody, everybody = mates.interval(0), mates.interval(150)
    assert nobody.low == 0
    assert nobody.high == pytest.approx(upper_bound(0, 30, 0.975))
    assert (everybody.low, everybody.high) == (1 - nobody.high, 1)


def test_two_sources_of_doubt_add_as_squares() -> None:
    found = together(0.1, Interval(0.07, 0.13), Interval(0.06, 0.14))
    assert (found.low, found.high) == pytest.approx((0.05, 0.15))
    assert together(0.5, Interval(0.0, 1.0)) == Interval(0.0, 1.0)


@pytest.mark.parametrize(("people", "pictures", "fmr"), [(2, 700, 1e-5), (10, 120, 1e-4)])
def test_many_pictures_of_few_people_carry_no_small_rate(
    people: int, pictures: int, fmr: float
) -> None:
    scores = pairs_within(*faces(people, pictures))
    found = carried_point(evidence_of(scores), fmr)
    assert isinstance(found, Insufficient)
    assert (found.have, found.what) == (people, "people")
    assert found.needs >= people_for(fmr)
    bound = Strangers(scores).lumps(0).upper(0.95)
    assert bound > 0.999 * rule_of_three(people * (people - 1) / 2)


def test_246_people_carry_one_in_ten_thousand() -> None:
    assert (people_for(1e-4), people_for(1e-5), people_for(0.5)) == (246, 775, 4)
    assert 245 * 244 / 2 < 2.9957 / 1e-4 < 246 * 245 / 2


def test_a_wolf_weighs_more_than_errors_that_lie_apart() -> None:
    """As many errors, all with one person or each with two others."""
    people = 60
    rows = np.eye(people, dtype=np.float32)
    everyone = np.arange(people)
    one = [(0, other) for other in range(1, 31)]
    apart = [(2 * place, 2 * place + 1) for place in range(30)]
    bounds = []
    for errors in (one, apart):
        near = rows.copy()
        all_pairs = np.asarray([(a, b) for a in range(people) for b in range(a + 1, people)])
        listed = pairs_listed(near, everyone, all_pairs, np.zeros(len(all_pairs), bool))
        order = [tuple(pair) in set(errors) for pair in listed.tail_pairs]
        sorted_last = np.argsort(order, kind="stable")
        moved = replace(listed, tail_pairs=listed.tail_pairs[sorted_last])
        bounds.append(Strangers(moved).lumps(30).upper(0.95))
    assert bounds[0] > 2 * bounds[1]


def test_the_most_matching_count_double_as_in_a_loop() -> None:
    scores = every_kind()["within"]
    wrong, met = meetings(scores, 40)
    alone = Counter[int]()
    for pair, count in wrong.items():
        for person in pair:
            alone[person] += count
    top = max(range(12), key=lambda person: (alone[person], -person))
    weight = {pair: 1 + (top in pair) for pair in met}
    expected = sum(wrong[pair] * weight[pair] for pair in met) / sum(
        met[pair] * weight[pair] for pair in met
    )
    assert Strangers(scores).doubled(40) == pytest.approx(expected)


def test_people_not_comparisons_are_what_counts(scores: PairScores) -> None:
    """A binomial interval of the comparisons is several times too narrow for clustered scores."""
    evidence = evidence_of(scores)
    threshold = float(scores.tail[int(len(scores.tail) * 0.95)])
    interval = fmr_interval(evidence, threshold)
    errors = scores.impostors_above(threshold)
    naive = upper_bound(errors, scores.impostors, 0.975) - lower_bound(
        errors, scores.impostors, 0.975
    )
    assert interval.high - interval.low > 2.5 * naive
    assert interval.low < errors / scores.impostors < interval.high


def test_no_false_match_falls_back_to_the_rule_of_three(scores: PairScores) -> None:
    strangers = Strangers(scores)
    lump = strangers.lumps(0).heaviest
    assert strangers.lumps(0).upper(0.95) == pytest.approx(3 * lump, rel=0.01)
    assert lump >= 1 / strangers.pairs


def test_upper_bounds_grow_with_the_errors(scores: PairScores) -> None:
    strangers = Strangers(scores)
    bounds = [strangers.lumps(errors).upper(0.95) for errors in range(0, 31, 3)]
    assert bounds == sorted(bounds)


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = pairs_within(*faces(30, 5, dim=12))
    point = enough(equal_error(scores))
    first, again = (equal_error_interval(evidence_of(scores, seed=9), point) for _ in range(2))
    assert first == again
    assert first != equal_error_interval(evidence_of(scores, seed=10), point)
    assert first.low < point.rate < first.high


def test_tar_is_as_unsure_as_the_threshold_that_may_be_shipped() -> None:
    scores = pairs_within(*faces(80, 4, dim=12))
    evidence = evidence_of(scores)
    point = enough(carried_point(evidence, 0.01))
    found, fixed = tar_interval(evidence, point), fnmr_interval(evidence, point.threshold).mirrored
    shipped = enough(threshold_at(scores, 0.01, dataset="d", model="m"))
    assert found.low < fixed.low < point.tar < fixed.high <= found.high
    assert found.low <= 1 - false_non_match_rate(scores, shipped.value)


def test_rates_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    scores = pairs_within(*faces(40, 4, dim=12))
    truth = np.r_[np.ones(len(scores.genuine)), np.zeros(len(scores.tail))]
    fmr, tar, limits = metrics.roc_curve(
        truth, np.r_[scores.genuine, scores.tail], drop_intermediate=False
    )
    point = enough(carried_point(evidence_of(scores), 0.05))
    place = np.searchsorted(fmr, 0.05, "right") - 1
    assert point.tar == pytest.approx(tar[place], abs=1e-12)
    assert point.fmr == pytest.approx(fmr[place], abs=1e-12)
    assert limits[place] > point.threshold
