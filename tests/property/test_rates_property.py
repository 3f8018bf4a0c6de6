"""What must hold for error rates of any scores whatever."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from embedge.calibration.intervals.dyads import Strangers
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import (
    EqualError,
    Insufficient,
    det_thresholds,
    equal_error,
    false_match_rate,
    false_non_match_rate,
    operating_point,
)
from embedge.calibration.scores import PairScores
from embedge.calibration.tenfold import folded_accuracy
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.threshold import Threshold


def made(seed: int, count: int, people: int, tail: int) -> PairScores:
    """Few directions, so that scores tie often; few or many subjects; all scores held or not."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(-2, 3, (count, 3)) + np.asarray([0.3, 0.2, 0.1])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = generator.integers(0, people, count)
    return pairs_within(rows.astype(np.float32), labels, tail_limit=tail)


score_sets = st.builds(
    made,
    st.integers(0, 2**32),
    st.integers(4, 40),
    st.integers(1, 15),
    st.sampled_from([5, 10_000]),
)


@given(score_sets, st.sampled_from([0.5, 0.1, 0.03, 0.01]))
def test_no_higher_fmr_fits_under_the_target(scores: PairScores, target: float) -> None:
    point = operating_point(scores, target)
    if isinstance(point, Insufficient):
        assert scores.impostors < 3 / target or not len(scores.genuine)
        return
    assert point.fmr <= target
    if not scores.exact:
        return
    lower = scores.tail[scores.tail < np.float32(point.threshold)]
    if len(lower):
        assert false_match_rate(scores, float(lower[-1])) > target


@given(score_sets)
def test_rates_fall_and_rise_with_the_threshold(scores: PairScores) -> None:
    if not scores.impostors or not len(scores.genuine):
        return
    limits = det_thresholds(scores, 200)
    fmr = np.array([false_match_rate(scores, limit) for limit in limits])
    fnmr = np.array([false_non_match_rate(scores, limit) for limit in limits])
    assert (np.diff(limits) > 0).all()
    assert (np.diff(fmr) <= 0).all()
    assert (np.diff(fnmr) >= 0).all()
    point = equal_error(scores)
    assert isinstance(point, EqualError)
    assert 0 <= point.rate <= 1
    assert point.rate <= max(
        false_match_rate(scores, point.threshold), false_non_match_rate(scores, point.threshold)
    )


@settings(max_examples=30, deadline=None)
@given(score_sets, st.sampled_from([0.3, 0.1]))
def test_a_threshold_is_never_promised_without_its_bound(scores: PairScores, target: float) -> None:
    answer = threshold_at(scores, target, dataset="d", model="m")
    if isinstance(answer, Threshold):
        assert answer.fmr <= answer.fmr_upper <= target
        assert answer.fmr == false_match_rate(scores, answer.value)
        return
    assert isinstance(answer, Insufficient)
    if len(scores.tail):
        assert Strangers(scores).lumps(0).upper(0.95) > target
        assert answer.needs > answer.have


@given(st.data())
def test_accuracy_does_not_depend_on_the_order_of_the_pairs(data: st.DataObject) -> None:
    count = data.draw(st.integers(8, 60))
    scores = data.draw(
        arrays(np.float32, count, elements=st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75]))
    )
    same = data.draw(arrays(np.bool_, count))
    folds = np.arange(count) % 4
    order = np.asarray(data.draw(st.permutations(range(count))))
    first = folded_accuracy(scores, same, folds)
    again = folded_accuracy(scores[order], same[order], folds[order])
    assert first == again
