"""Rates counted by hand."""

import numpy as np
import pytest
from numpy.typing import ArrayLike
from sufficient import enough

from embedge.calibration.rates import (
    Insufficient,
    det_thresholds,
    equal_error,
    false_match_rate,
    false_non_match_rate,
    impostor_limit,
    operating_point,
)
from embedge.calibration.scores import BINS, PairScores, score_histogram


def scores_of(genuine: ArrayLike, impostor: ArrayLike, held: int | None = None) -> PairScores:
    genuine = np.sort(np.asarray(genuine, np.float32))
    impostor = np.sort(np.asarray(impostor, np.float32))
    tail = impostor if held is None else impostor[len(impostor) - held :]
    body = score_histogram(impostor[: len(impostor) - len(tail)])
    people = np.arange(4, dtype=np.int32)
    return PairScores(
        genuine,
        np.zeros((len(genuine), 2), np.int32),
        tail,
        np.tile(np.asarray([[1, 2]], np.int32), (len(tail), 1)),
        body,
        people,
        people,
        within=True,
    )


def test_a_match_is_strictly_above() -> None:
    scores = scores_of([0.5, 0.6], [0.4, 0.5, 0.5, 0.1])
    assert false_match_rate(scores, 0.5) == 0
    assert false_match_rate(scores, 0.4) == 0.5
    assert false_non_match_rate(scores, 0.5) == 0.5


def test_tar_is_taken_at_the_largest_fmr_not_above_the_target() -> None:
    impostor = np.linspace(-0.5, 0.5, 100)
    scores = scores_of([0.1, 0.46, 0.47, 0.9], impostor)
    point = enough(operating_point(scores, 0.05))
    assert point.fmr == 0.05
    assert point.threshold == np.float32(impostor[94])
    assert point.tar == 0.75


def test_ties_never_lift_the_fmr_over_the_target() -> None:
    impostor = np.concatenate([np.full(5, 0.5), np.linspace(-1, 0, 95)])
    point = enough(operating_point(scores_of([0.5, 0.6], impostor), 0.03))
    assert point.fmr == 0
    assert point.threshold == 0.5
    assert point.tar == 0.5


@pytest.mark.parametrize(("target", "needs"), [(1e-3, 3000), (1e-6, 3_000_000), (0.02, 150)])
def test_a_target_beyond_the_data_is_never_a_number(target: float, needs: int) -> None:
    scores = scores_of([0.9], np.linspace(-1, 0, 149))
    assert operating_point(scores, target) == Insufficient(needs, 149)
    assert f"insufficient data: needs {needs:,}" in str(impostor_limit(scores, target))


def test_target_times_count_is_not_lost_to_rounding() -> None:
    # 0.07 * 300 is 21.000000000000004 and 0.29 * 100 is 28.999999999999996 in binary
    for target, count, errors in ((0.07, 300, 21), (0.29, 100, 29)):
        point = enough(operating_point(scores_of([0.9], np.linspace(-1, 0, count)), target))
        assert point.fmr == errors / count


def test_equal_error_by_hand() -> None:
    scores = scores_of([0.2, 0.6, 0.7, 0.8], [0.1, 0.3, 0.5, 0.65])
    point = enough(equal_error(scores))
    assert point.rate == 0.25
    assert 0.5 <= point.threshold < 0.65
    assert enough(equal_error(scores_of([0.9], [0.1]))).rate == 0
    assert isinstance(equal_error(scores_of([], [0.1])), Insufficient)


def test_equal_error_of_a_large_set_against_a_full_sweep() -> None:
    generator = np.random.default_rng(5)
    genuine, impostor = generator.normal(0.5, 0.15, 800), generator.normal(0.1, 0.12, 5000)
    scores = scores_of(np.clip(genuine, -1, 1), np.clip(impostor, -1, 1))
    sweep = [
        (abs(false_match_rate(scores, t) - false_non_match_rate(scores, t)), t)
        for t in np.concatenate([scores.genuine, scores.tail])
    ]
    best = min(sweep)[1]
    oracle = (false_match_rate(scores, best) + false_non_match_rate(scores, best)) / 2
    assert enough(equal_error(scores)).rate == pytest.approx(oracle, abs=1e-12)


def test_counted_scores_give_the_same_curve_to_a_bin() -> None:
    generator = np.random.default_rng(6)
    genuine = np.clip(generator.normal(0.4, 0.2, 900), -1, 1)
    impostor = np.clip(generator.normal(0.1, 0.2, 20_000), -1, 1)
    full, part = scores_of(genuine, impostor), scores_of(genuine, impostor, held=300)
    assert enough(equal_error(part)).rate == pytest.approx(enough(equal_error(full)).rate, abs=2e-3)
    assert operating_point(part, 1e-2) == operating_point(full, 1e-2)
    coarse, fine = (enough(operating_point(scores, 0.1)) for scores in (part, full))
    assert coarse.fmr <= 0.1
    assert 0 <= coarse.threshold - fine.threshold <= 2 / BINS


def test_det_is_monotone_and_ends_at_a_single_impostor() -> None:
    generator = np.random.default_rng(7)
    scores = scores_of(generator.uniform(0, 1, 500), generator.uniform(-1, 0.3, 9000))
    limits = det_thresholds(scores, 100)
    fmr = np.array([false_match_rate(scores, limit) for limit in limits])
    fnmr = np.array([false_non_match_rate(scores, limit) for limit in limits])
    assert len(limits) <= 100
    assert (np.diff(fmr) <= 0).all()
    assert (np.diff(fnmr) >= 0).all()
    assert fmr[0] == 1
    assert fmr[-1] == 0
    assert fmr[-2] == 1 / 9000 or fmr[-2] == 2 / 9000
