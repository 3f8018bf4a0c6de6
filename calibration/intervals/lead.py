"""How far one model is ahead of another on the same people, and how sure that is."""

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.binomial import lower_bound, rule_of_three, upper_bound
from embedge.calibration.intervals.bootstrap import Resampled, resampled
from embedge.calibration.intervals.interval import CONFIDENCE, Interval
from embedge.calibration.intervals.people import net_interval
from embedge.calibration.rates import OperatingPoint
from embedge.calibration.scores import PairScores

__all__ = [
    "Lead",
    "TarOfPeople",
    "clustered_interval",
    "few_people",
    "lead",
    "tar_of_people",
    "tar_rounds",
]


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


@dataclass(frozen=True, slots=True, eq=False)
class TarOfPeople:
    """A TAR, from the accepted comparisons of each person; `rounds`: with other people."""

    comparisons: NDArray[np.float64]
    accepted: NDArray[np.float64]
    rounds: NDArray[np.float64]

    @property
    def people(self) -> int:
        return len(self.comparisons)

    @property
    def tar(self) -> float:
        return float(self.accepted.sum() / self.comparisons.sum())


def tar_of_people(scores: PairScores, point: OperatingPoint, *, seed: int = 0) -> TarOfPeople:
    _, owners = np.unique(scores.genuine_subjects, return_inverse=True)
    accepted = scores.genuine > np.float32(point.threshold)
    return TarOfPeople(
        np.bincount(owners).astype(np.float64),
        np.bincount(owners, accepted).astype(np.float64),
        tar_rounds(resampled(scores, seed=seed), point.fmr_target),
    )


def lead(first: TarOfPeople, second: TarOfPeople, confidence: float = CONFIDENCE) -> Lead:
    """On the same people: what is hard for both cancels out.

    The bootstrap knows that thresholds move with the people, and nothing of people in whom nothing
    turned; Gaffke's bound knows these: the interval reaches as far as either.
    """
    difference, reach = first.tar - second.tar, _reach(first, second, confidence)
    by_person = net_interval(first.comparisons, first.accepted - second.accepted, confidence)
    return Lead(
        difference,
        max(-1.0, min(difference - reach, by_person.low)),
        min(1.0, max(difference + reach, by_person.high)),
    )


def _reach(first: TarOfPeople, second: TarOfPeople, confidence: float) -> float:
    spread, few = float(np.std(first.rounds - second.rounds)), few_people(first.people, confidence)
    return NormalDist().inv_cdf((1 + confidence) / 2) * spread / math.sqrt(few)


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
