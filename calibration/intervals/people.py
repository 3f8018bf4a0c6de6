"""How sure a rate over genuine comparisons is: the evidence is people, and one more could fail.

The upper bound is Gaffke's (2005) for the mean of bounded quantities: people are weighted at
random (the Bayesian bootstrap), together with one more who is rejected always. Where people fail
wholly or not at all it is Clopper and Pearson's, without errors it is the rule of three on people,
and an error more, whoever makes it, never lowers it. The lower bound mirrors it: one more person
who is never rejected. A difference of two rates on the same comparisons lies between -1 and 1: one
more person loses everything, or gains everything.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.binomial import rule_of_three
from embedge.calibration.intervals.interval import CONFIDENCE, Interval

__all__ = ["DOMINATES", "Mates", "net_interval"]

# From this share of the comparisons on, one person dominates: who was not met may as well
DOMINATES = 0.1
_DRAWS = (1_000, 4_000)
_CELLS = 16_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Mates:
    """`owners` says whose the comparisons are, the first to be rejected first.

    `weights` holds a draw a row, its first column for the person who was not met.
    """

    owners: NDArray[np.int64]
    comparisons: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, subjects: NDArray[np.integer], seed: int = 0) -> "Mates":
        known, owners = np.unique(subjects, return_inverse=True)
        counts = np.bincount(owners, minlength=len(known)).astype(np.float64)
        return cls(owners.astype(np.int64), counts, _weights(len(known), seed))

    @property
    def people(self) -> int:
        return len(self.comparisons)

    def interval(self, rejected: int, confidence: float = CONFIDENCE) -> Interval:
        """Of the share of comparisons that are rejected, where the first so many were."""
        wrong = np.bincount(self.owners[:rejected], minlength=self.people)
        return self.shared(wrong, confidence)

    def shared(self, wrong: NDArray[np.number[Any]], confidence: float = CONFIDENCE) -> Interval:
        """The same, from what each person adds to the errors: at most all of his comparisons."""
        side = (1 + confidence) / 2
        met, errors = self.weights[:, 1:] @ self.comparisons, self.weights[:, 1:] @ wrong
        weight = _unmet(self.comparisons)
        other = self.weights[:, 0] * weight
        untouched = rule_of_three(self.people, side)
        if weight > self.comparisons.mean():
            untouched = max(untouched, float(np.quantile(other / (met + other), side)))
        high = float(np.quantile((errors + other) / (met + other), side)) if wrong.any() else 0.0
        low = float(np.quantile(errors / (met + other), 1 - side))
        if np.array_equal(wrong, self.comparisons):
            return Interval(1 - untouched, 1.0)
        return Interval(low, min(1.0, max(high, untouched)))


def net_interval(
    comparisons: NDArray[np.floating],
    net: NDArray[np.floating],
    confidence: float = CONFIDENCE,
    *,
    seed: int = 0,
) -> Interval:
    """Of a difference of two rates: each person's comparisons, and what of them went the other way.

    Without any it reaches as far as the rule of three on people, on both sides.
    """
    people, side = len(comparisons), (1 + confidence) / 2
    weights = _weights(people, seed)
    moved, other = weights[:, 1:] @ net, weights[:, 0] * _unmet(comparisons)
    total = weights[:, 1:] @ comparisons + other
    low = float(np.quantile((moved - other) / total, 1 - side))
    high = float(np.quantile((moved + other) / total, side))
    untouched = rule_of_three(people, side)
    return Interval(
        max(-1.0, min(low, -untouched) if (net <= 0).all() else low),
        min(1.0, max(high, untouched) if (net >= 0).all() else high),
    )


def _unmet(comparisons: NDArray[np.floating]) -> float:
    """How many comparisons the one more person has: the mean, or, where somebody dominates, as
    many as the person behind a comparison has on average (who has many may be harder, too)."""
    total = float(comparisons.sum())
    if float(comparisons.max(initial=0.0)) > DOMINATES * total:
        return max(float((comparisons**2).sum()) / total, float(comparisons.mean()))
    return float(comparisons.mean())


def _weights(people: int, seed: int) -> NDArray[np.float64]:
    """Drawn in single precision, added up in double: every processor tells the same interval."""
    draws = int(np.clip(_CELLS // (people + 1), *_DRAWS))
    generator = np.random.default_rng(seed)
    return generator.standard_exponential((draws, people + 1), np.float32).astype(np.float64)
