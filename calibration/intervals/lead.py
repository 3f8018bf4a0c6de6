"""How far one model is ahead of another on the same people, and how sure that is."""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.binomial import lower_bound, rule_of_three, upper_bound
from embedge.calibration.intervals.bootstrap import Resampled
from embedge.calibration.intervals.interval import CONFIDENCE, Interval

__all__ = ["Lead", "clustered_interval", "few_people", "lead", "tar_rounds"]


@dataclass(frozen=True, slots=True)
class Lead:
    """A difference of two rates, with its two-sided interval over people."""

    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lead(
    difference: float,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    subjects: int,
    confidence: float = CONFIDENCE,
) -> Lead:
    """Both models' rates in the same rounds of the bootstrap: what is hard for both cancels out."""
    spread = float(np.std(first - second)) / few_people(subjects, confidence) ** 0.5
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    return Lead(difference, difference - reach, difference + reach)


def tar_rounds(resampling: Resampled, fmr_target: float) -> NDArray[np.float64]:
    """The TAR of every round, at the threshold that its own people ask for."""
    errors = 4 * int(fmr_target * resampling.scores.impostors) + 100
    rates = []
    for part in resampling.curves(errors):
        last = (part.fmr <= fmr_target).sum(axis=1) - 1
        rates.append(1 - part.fnmr[np.arange(len(last)), last])
    return np.concatenate(rates).astype(np.float64)


def clustered_interval(
    rate: float, rounds: NDArray[np.floating], subjects: int, confidence: float = CONFIDENCE
) -> Interval:
    """Of a rate that is known by its rounds only; never nearer to 0 or 1 than the rule of three."""
    variance = float(np.var(rounds)) if 0 < rate < 1 and len(rounds) else 0.0
    side, effective = (1 + confidence) / 2, float(subjects)
    if variance > 0:
        effective = rate * (1 - rate) / variance * few_people(subjects, confidence)
    untouched = rule_of_three(subjects, side)
    return Interval(
        min(lower_bound(rate * effective, effective, side), 1 - untouched),
        max(upper_bound(rate * effective, effective, side), untouched),
    )


def few_people(subjects: int, confidence: float = CONFIDENCE) -> float:
    """What a variance that was itself estimated from so many people takes off: z²/t² · (n-1)/n."""
    if subjects < 2:
        return 1.0
    z, freedom = NormalDist().inv_cdf((1 + confidence) / 2), subjects - 1
    # Student's quantile from the normal one, by Cornish and Fisher's expansion
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    return (z / t) ** 2 * freedom / subjects
