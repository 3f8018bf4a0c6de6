"""Thresholds rest on an upper bound and on other people."""

import numpy as np
import pytest

from embedge.calibration.intervals.dyads import Strangers
from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import Insufficient, people_for
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
    assert Strangers(scores).lumps(errors + 1).upper(0.95) > 1e-2
    assert (threshold.impostors, threshold.subjects) == (scores.impostors, 60)
    assert (threshold.dataset, threshold.model) == ("data", "model")


def test_a_target_the_people_cannot_carry_says_how_many_it_takes(scores):
    answer = threshold_at(scores, 1e-6, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    assert answer.needs >= people_for(1e-6)
    assert (answer.have, answer.what) == (60, "people")
    assert str(answer) == f"insufficient data: needs {answer.needs:,} people, has 60"


def test_what_it_needs_is_as_many_pairs_as_the_bound_is_missed_by(scores):
    target = 1e-4
    answer = threshold_at(scores, target, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    bound = Strangers(scores).lumps(0).upper(0.95)
    assert (answer.needs / 60) ** 2 == pytest.approx(bound / target, rel=0.02)


def test_every_stricter_threshold_keeps_the_target_too(scores):
    strangers = Strangers(scores)
    allowed = strangers.errors_within(1e-2, 0.95)
    bounds = [strangers.lumps(errors).upper(0.95) for errors in range(allowed + 1)]
    assert max(bounds) <= 1e-2


def test_no_more_pictures_but_more_people_carry_a_smaller_rate():
    """30 people, each pictured 40 times, against 246 that were pictured twice."""
    generator = np.random.default_rng(4)

    def carried(people: int, pictures: int) -> bool:
        rows = np.repeat(generator.normal(size=(people, 64)), pictures, 0)
        rows += 0.1 * generator.normal(size=rows.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        scores = pairs_within(rows.astype(np.float32), np.repeat(np.arange(people), pictures))
        found = threshold_at(scores, 2e-4, dataset="d", model="m")
        return not isinstance(found, Insufficient)

    assert carried(246, 2)
    assert not carried(30, 40)


def test_no_impostors_no_threshold():
    alone = pairs_within(np.eye(3, dtype=np.float32), [0, 0, 0])
    assert threshold_at(alone, 1e-2, dataset="d", model="m") == Insufficient(25, 1, "people")
