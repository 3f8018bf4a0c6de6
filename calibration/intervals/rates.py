"""How sure error rates are: of people for genuine, of people and their pairs for impostors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from embedge.calibration.intervals.dyads import Lumps, Strangers
from embedge.calibration.intervals.interval import CONFIDENCE, Interval, together
from embedge.calibration.intervals.people import Mates
from embedge.calibration.rates import (
    EqualError,
    Insufficient,
    OperatingPoint,
    false_match_rate,
    false_non_match_rate,
    operating_point,
    people_for,
)
from embedge.calibration.scores import PairScores

__all__ = [
    "CONFIDENCE",
    "Evidence",
    "Interval",
    "carried_point",
    "equal_error_interval",
    "evidence_of",
    "fmr_interval",
    "fmr_upper",
    "fnmr_interval",
    "not_carried",
    "tar_interval",
]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Scores, and who stands behind them."""

    scores: PairScores
    strangers: Strangers
    mates: Mates


def evidence_of(scores: PairScores, *, seed: int = 0) -> Evidence:
    return Evidence(scores, Strangers(scores), Mates.of(scores.genuine_subjects, seed))


def fmr_interval(evidence: Evidence, threshold: float, confidence: float = CONFIDENCE) -> Interval:
    """Of the false match rate at a threshold fixed beforehand."""
    return _fmr(evidence, evidence.scores.impostors_above(threshold), confidence)


def fmr_upper(evidence: Evidence, errors: int, confidence: float = CONFIDENCE) -> float:
    """One-sided upper bound of the FMR at a threshold with this many errors."""
    return evidence.strangers.lumps(errors).upper(confidence)


def fnmr_interval(evidence: Evidence, threshold: float, confidence: float = CONFIDENCE) -> Interval:
    """Of the false non-match rate at a threshold fixed beforehand."""
    return evidence.mates.interval(_rejected(evidence.scores, threshold), confidence)


def carried_point(
    evidence: Evidence, fmr_target: float, confidence: float = CONFIDENCE
) -> OperatingPoint | Insufficient:
    """TAR at the largest FMR not above the target, where its people can carry that FMR."""
    scores, strangers = evidence.scores, evidence.strangers
    if not len(scores.genuine):
        return Insufficient(1, 0, "genuine comparisons")
    if not len(scores.tail):
        return Insufficient(people_for(fmr_target), scores.subjects, "people")
    if strangers.errors_within(fmr_target, confidence) is None:
        return not_carried(strangers, fmr_target, confidence)
    return operating_point(scores, fmr_target)


def not_carried(strangers: Strangers, fmr_target: float, confidence: float) -> Insufficient:
    """How many people it would take, if those to come were as clustered as these."""
    bound = strangers.lumps(0).upper(confidence)
    needs = max(
        people_for(fmr_target), int(np.ceil(strangers.people * (bound / fmr_target) ** 0.5))
    )
    return Insufficient(needs, strangers.people, "people")


def tar_interval(
    evidence: Evidence, point: OperatingPoint, confidence: float = CONFIDENCE
) -> Interval:
    """Of the TAR at an FMR target: the threshold that has this FMR is as unsure as the rejections.

    The low end is told at the threshold that one would dare to ship, the high end at the one that
    is certainly no stricter than asked; their doubt and that of the FNMR are independent.
    """
    scores, strangers = evidence.scores, evidence.strangers
    within = strangers.errors_within(point.fmr_target, confidence)
    strict = _threshold(scores, within) if within is not None else 1.0
    lenient = _threshold(scores, strangers.errors_beyond(point.fmr_target, confidence))
    moved = Interval(
        false_non_match_rate(scores, min(lenient, point.threshold)),
        false_non_match_rate(scores, max(strict, point.threshold)),
    )
    known = fnmr_interval(evidence, point.threshold, confidence)
    return together(1 - point.tar, known, moved).mirrored


def equal_error_interval(
    evidence: Evidence, point: EqualError, confidence: float = CONFIDENCE
) -> Interval:
    """The EER moves to where one curve's bound crosses the other curve, for each of the two."""
    scores, at = evidence.scores, point.threshold

    def fmr(threshold: float) -> float:
        return false_match_rate(scores, threshold)

    def fnmr(threshold: float) -> float:
        return false_non_match_rate(scores, threshold)

    def lumps(threshold: float) -> Lumps:
        return evidence.strangers.lumps(scores.impostors_above(threshold))

    def known(threshold: float) -> Interval:
        return fnmr_interval(evidence, threshold, confidence)

    side = (1 + confidence) / 2
    by_fmr = Interval(
        _crossing("low", at, lambda limit: lumps(limit).lower(side), fnmr),
        _crossing("high", at, lambda limit: lumps(limit).upper(side), fnmr),
    )
    by_fnmr = Interval(
        _crossing("low", at, fmr, lambda limit: known(limit).low),
        _crossing("high", at, fmr, lambda limit: known(limit).high),
    )
    return together(point.rate, by_fmr, by_fnmr)


_HALVINGS = 14


def _crossing(
    end: str, start: float, falling: Callable[[float], float], rising: Callable[[float], float]
) -> float:
    """How high a falling curve over thresholds meets a rising one; both are stairs."""
    low, high = (start, 1.0) if falling(start) > rising(start) else (-1.0, start)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if falling(middle) > rising(middle):
            low = middle
        else:
            high = middle
    if end == "low":
        return max(rising(low), falling(high))
    return min(falling(low), rising(high))


def _fmr(evidence: Evidence, errors: int, confidence: float) -> Interval:
    lumps, side = evidence.strangers.lumps(errors), (1 + confidence) / 2
    return Interval(lumps.lower(side), lumps.upper(side))


def _threshold(scores: PairScores, errors: int) -> float:
    """The score with at most so many impostors above it."""
    if errors >= len(scores.tail):
        return float(scores.tail[0]) if len(scores.tail) else -1.0
    return float(scores.tail[len(scores.tail) - 1 - errors])


def _rejected(scores: PairScores, threshold: float) -> int:
    return int(np.searchsorted(scores.genuine, np.float32(threshold), "right"))
