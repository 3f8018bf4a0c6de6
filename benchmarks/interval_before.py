"""The intervals that were used before: a bootstrap over people, and all people as its freedom."""

from collections.abc import Iterator

import numpy as np

from embedge.calibration.intervals.binomial import lower_bound, upper_bound
from embedge.calibration.intervals.bootstrap import Resampled, resampled
from embedge.calibration.intervals.interval import Interval
from embedge.calibration.intervals.lead import few_people, tar_rounds
from embedge.calibration.rates import EqualError, false_match_rate, false_non_match_rate
from embedge.calibration.scores import Float32, PairScores

__all__ = ["intervals_before"]

_JUDGED = 30


def intervals_before(
    scores: PairScores,
    threshold: float,
    fmr: float,
    tar: float | None,
    equal: EqualError,
    seed: int,
) -> Iterator[tuple[str, Interval]]:
    drawn = resampled(scores, seed=seed)
    people = len(np.unique(scores.genuine_subjects))
    rate = false_match_rate(scores, threshold)
    judged = min(max(scores.impostors_above(threshold), _JUDGED), len(scores.tail))
    held = judged / scores.impostors
    wide = float(np.var(_fmr_rounds(drawn, judged)))
    effect = max(1.0, wide * scores.impostors / (held * (1 - held)))
    yield "FMR at a threshold", _binomial(rate, scores.impostors / effect)
    missed = false_non_match_rate(scores, threshold)
    yield "FNMR at a threshold", _clustered(missed, _fnmr_rounds(drawn, threshold), people)
    if tar is not None:
        yield "TAR at an FMR", _clustered(tar, tar_rounds(drawn, fmr), people)
    rounds = []
    for part in drawn.curves(4 * int(equal.rate * scores.impostors) + 100):
        best = np.abs(part.fmr - part.fnmr).argmin(axis=1)[:, None]
        both = [np.take_along_axis(side, best, axis=1)[:, 0] for side in (part.fmr, part.fnmr)]
        rounds.append((both[0] + both[1]) / 2)
    yield "EER", _clustered(equal.rate, np.concatenate(rounds), people)


def _fmr_rounds(drawn: Resampled, errors: int) -> Float32:
    scores, weights = drawn.scores, drawn.weights
    pairs = scores.tail_pairs[len(scores.tail) - errors :]
    left, right = scores.gallery_subjects[pairs[:, 0]], scores.probe_subjects[pairs[:, 1]]
    codes = weights.shape[1]
    matrix = np.bincount(left.astype(np.int64) * codes + right, minlength=codes * codes)
    both = weights @ matrix.reshape(codes, codes).astype(np.float32)
    return (both * weights).sum(axis=1) / drawn.impostors


def _fnmr_rounds(drawn: Resampled, threshold: float) -> Float32:
    subjects, codes = drawn.scores.genuine_subjects, drawn.weights.shape[1]
    wrong = subjects[: np.searchsorted(drawn.scores.genuine, np.float32(threshold), "right")]
    total = drawn.weights @ np.bincount(subjects, minlength=codes).astype(np.float32)
    errors = drawn.weights @ np.bincount(wrong, minlength=codes).astype(np.float32)
    return errors[total > 0] / total[total > 0]


def _clustered(rate: float, rounds: Float32, people: int) -> Interval:
    variance = float(np.var(rounds)) if 0 < rate < 1 else 0.0
    if not variance:
        return _binomial(rate, people)
    return _binomial(rate, rate * (1 - rate) / variance * few_people(people))


def _binomial(rate: float, trials: float) -> Interval:
    errors = rate * trials
    return Interval(lower_bound(errors, trials, 0.975), upper_bound(errors, trials, 0.975))
