"""How sure an error rate is.

The bootstrap over subjects says how much a rate varies with the people tested; that variance is
turned into an effective number of independent comparisons, and the exact binomial interval for
that number is the answer (the method of Korn and Graubard for clustered proportions). Unlike
percentiles of the bootstrap it stays honest when only a handful of errors, or none, were seen.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.binomial import lower_bound, rule_of_three, upper_bound
from embedge.calibration.intervals.bootstrap import Resampled
from embedge.calibration.rates import (
    EqualError,
    OperatingPoint,
    false_match_rate,
    false_non_match_rate,
)

__all__ = [
    "CONFIDENCE",
    "Interval",
    "clustered_interval",
    "design_effect",
    "equal_error_interval",
    "few_people",
    "fmr_interval",
    "fmr_upper",
    "fnmr_interval",
    "tar_interval",
    "tar_rounds",
]

CONFIDENCE = 0.95
# Below this many errors their clustering cannot be judged (the rule of 30)
_JUDGED = 30


@dataclass(frozen=True, slots=True)
class Interval:
    """Two-sided confidence interval of a rate."""

    low: float
    high: float


def fmr_interval(
    resampling: Resampled, threshold: float, confidence: float = CONFIDENCE
) -> Interval:
    """Of the false match rate at a threshold fixed beforehand."""
    scores = resampling.scores
    errors = scores.impostors_above(threshold)
    effective = scores.impostors / design_effect(resampling, errors)
    return _interval(false_match_rate(scores, threshold), effective, confidence)


def fmr_upper(resampling: Resampled, errors: int, confidence: float = CONFIDENCE) -> float:
    """One-sided upper bound of the FMR at a threshold with this many errors."""
    effect = design_effect(resampling, errors)
    trials = resampling.scores.impostors
    if not errors:
        return rule_of_three(trials / effect, confidence)
    return upper_bound(errors / effect, trials / effect, confidence)


def design_effect(resampling: Resampled, errors: int) -> float:
    """How many comparisons weigh as much as one independent comparison.

    Fewer than 30 errors are judged by the clustering of the 30 highest impostors.
    """
    scores = resampling.scores
    judged = min(max(errors, _JUDGED), len(scores.tail))
    rate = judged / scores.impostors
    if not 0 < rate < 1:
        return 1.0
    variance = float(np.var(resampling.false_match_rates(judged)))
    return max(1.0, variance * scores.impostors / (rate * (1 - rate)))


def fnmr_interval(
    resampling: Resampled, threshold: float, confidence: float = CONFIDENCE
) -> Interval:
    """Of the false non-match rate at a threshold fixed beforehand."""
    rate = false_non_match_rate(resampling.scores, threshold)
    return _clustered(resampling, rate, resampling.false_non_match_rates(threshold), confidence)


def tar_interval(
    resampling: Resampled, point: OperatingPoint, confidence: float = CONFIDENCE
) -> Interval:
    """Of the TAR at an FMR target: the threshold varies with the people too."""
    rounds = tar_rounds(resampling, point.fmr_target)
    return _clustered(resampling, point.tar, rounds, confidence)


def tar_rounds(resampling: Resampled, fmr_target: float) -> NDArray[np.float64]:
    """The TAR of every round, at the threshold that its own people ask for."""
    errors = 4 * int(fmr_target * resampling.scores.impostors) + 100
    rates = []
    for part in resampling.curves(errors):
        last = (part.fmr <= fmr_target).sum(axis=1) - 1
        rates.append(1 - part.fnmr[np.arange(len(last)), last])
    return np.concatenate(rates).astype(np.float64)


def equal_error_interval(
    resampling: Resampled, point: EqualError, confidence: float = CONFIDENCE
) -> Interval:
    errors = 4 * int(point.rate * resampling.scores.impostors) + 100
    rates = []
    for part in resampling.curves(errors):
        best = np.abs(part.fmr - part.fnmr).argmin(axis=1)[:, None]
        both = [np.take_along_axis(side, best, axis=1)[:, 0] for side in (part.fmr, part.fnmr)]
        rates.append((both[0] + both[1]) / 2)
    return _clustered(resampling, point.rate, np.concatenate(rates), confidence)


def clustered_interval(
    rate: float, rounds: NDArray[np.floating], subjects: int, confidence: float = CONFIDENCE
) -> Interval:
    """Interval of a rate whose independent unit is the subject, from its resampled rounds."""
    variance = float(np.var(rounds)) if 0 < rate < 1 and len(rounds) else 0.0
    if variance > 0:
        effective = rate * (1 - rate) / variance * few_people(subjects, confidence)
    else:
        effective = float(subjects)
    return _interval(rate, effective, confidence)


def few_people(subjects: int, confidence: float = CONFIDENCE) -> float:
    """What a variance that was itself estimated from so many people takes off: z²/t² · (n-1)/n."""
    if subjects < 2:
        return 1.0
    z, freedom = NormalDist().inv_cdf((1 + confidence) / 2), subjects - 1
    # Student's quantile from the normal one, by Cornish and Fisher's expansion
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    return (z / t) ** 2 * freedom / subjects


def _clustered(
    resampling: Resampled, rate: float, rounds: NDArray[np.floating], confidence: float
) -> Interval:
    """Interval of a rate over genuine comparisons."""
    subjects = len(np.unique(resampling.scores.genuine_subjects))
    return clustered_interval(rate, rounds, subjects, confidence)


def _interval(rate: float, effective: float, confidence: float) -> Interval:
    """Exact binomial interval for an effective number of trials."""
    errors, side = rate * effective, (1 + confidence) / 2
    return Interval(lower_bound(errors, effective, side), upper_bound(errors, effective, side))
