"""Thresholds rest on an upper bound and on other people."""

import numpy as np
import pytest

from embedge.calibration.intervals.bootstrap import resampled
from embedge.calibration.intervals.rates import fmr_upper
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import threshold_at


@pytest.fixture(scope="module")
def scores() -> PairScores:
    generator = np.random.default_rng(3)
    rows = np.repeat(generator.normal(size=(60, 32)), 6, 0) + 0.8 * generator.normal(size=(360, 32))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return pairs_within(rows.astype(np.float32), np.repeat(np.arange(60), 6))


def test_the_bound_holds_and_one_more_error_would_break_it(scores):
    threshold = threshold_at(scores, 1e-2, dataset="data", model="model")
    assert threshold.fmr_upper <= 1e-2
    assert threshold.fmr < threshold.fmr_upper
    errors = scores.impostors_above(threshold.value)
    assert threshold.fmr == errors / scores.impostors
    assert fmr_upper(resampled(scores), errors + 1) > 1e-2
    assert (threshold.impostors, threshold.subjects) == (scores.impostors, 60)
    assert (threshold.dataset, threshold.model) == ("data", "model")


def test_a_target_the_data_cannot_carry_says_what_it_needs(scores):
    answer = threshold_at(scores, 1e-6, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    assert answer.needs > 3_000_000
    assert answer.have == scores.impostors


def test_what_it_needs_is_what_suffices(scores):
    """The needed count over the held one is the factor by which the zero-error bound is missed."""
    target = 1e-5
    answer = threshold_at(scores, target, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    bound = fmr_upper(resampled(scores), 0)
    assert answer.needs / answer.have == pytest.approx(bound / target, rel=1e-3)


def test_no_impostors_no_threshold():
    alone = pairs_within(np.eye(3, dtype=np.float32), [0, 0, 0])
    assert threshold_at(alone, 1e-2, dataset="d", model="m") == Insufficient(300, 0)
