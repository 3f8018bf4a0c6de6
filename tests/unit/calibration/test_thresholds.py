"""Thresholds rest on an upper bound and on other people."""

import numpy as np
import pytest
from sufficient import enough

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


def test_the_bound_holds_and_one_more_error_would_break_it(scores: PairScores) -> None:
    threshold = enough(threshold_at(scores, 1e-2, dataset="data", model="model"))
    assert threshold.fmr_upper <= 1e-2
    assert threshold.fmr < threshold.fmr_upper
    errors = scores.impostors_above(threshold.value)
    assert threshold.fmr == errors / scores.impostors
    assert Strangers(scores).lumps(errors + 1).upper(0.95) > 1e-2
    assert (threshold.impostors, threshold.subjects) == (scores.impostors, 60)
    assert (threshold.dataset, threshold.model) == ("data", "model")


def test_a_target_the_people_cannot_carry_says_how_many_it_takes(scores: PairScores) -> None:
    answer = threshold_at(scores, 1e-6, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    assert answer.needs >= people_for(1e-6)
    assert (answer.have, answer.what) == (60, "people")
    assert str(answer) == f"insufficient data: needs {answer.needs:,} people, has 60"


def test_what_it_needs_is_as_many_pairs_as_the_bound_is_missed_by(scores: PairScores) -> None:
    target = 1e-4
    answer = threshold_at(scores, target, dataset="data", model="model")
    assert isinstance(answer, Insufficient)
    bound = Strangers(scores).lumps(0).upper(0.95)
    assert (answer.needs / 60) ** 2 == pytest.approx(bound / target, rel=0.02)


def test_every_stricter_threshold_keeps_the_target_too(scores: PairScores) -> None:
    strangers = Strangers(scores)
    allowed = strangers.errors_within(1e-2, 0.95)
    bounds = [strangers.lumps(errors).upper(0.95) for errors in range(allowed + 1)]
    assert max(bounds) <= 1e-2


def test_no_more_pictures_but_more_people_carry_a_smaller_rate() -> None:
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


def drawn(generator: np.random.Generator, people: int, pictures: int) -> np.ndarray:
    """Two in a hundred resemble each other: every picture is of somebody's own face otherwise."""
    faces, centre = generator.normal(size=(people, 32)), np.random.default_rng(6).normal(size=32)
    alike = generator.random(people) < 0.02
    faces[alike] = np.sqrt(0.5) * (centre + faces[alike])
    rows = np.repeat(faces, pictures, 0)
    rows += 0.3 * generator.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.slow
def test_with_a_group_of_look_alikes_the_true_rate_is_seldom_above_the_target() -> None:
    """Of 200 calibrations on 200 people; it was in one of six."""
    many = drawn(np.random.default_rng(99), 12_000, 1)
    scores = pairs_within(many, np.arange(len(many)), tail_limit=400_000)
    above, set_, labels = 0, 0, np.repeat(np.arange(200), 5)
    for seed in range(200):
        mine = pairs_within(drawn(np.random.default_rng(seed), 200, 5), labels)
        found = threshold_at(mine, 1e-3, dataset="d", model="m")
        if isinstance(found, Insufficient):
            continue
        set_ += 1
        above += scores.impostors_above(found.value) > 1e-3 * scores.impostors
    assert set_ >= 180
    assert above <= 0.075 * set_ + 2 * (0.075 * set_) ** 0.5  # two deviations of chance


def test_no_impostors_no_threshold() -> None:
    alone = pairs_within(np.eye(3, dtype=np.float32), [0, 0, 0])
    assert threshold_at(alone, 1e-2, dataset="d", model="m") == Insufficient(25, 1, "people")
