"""How sure a rate over impostor comparisons is: the evidence is pairs of people, and people.

A false match of a and b says something about a, about b and about the two together. The variance
is the dyadic one: products of deviations of all comparisons that share a person. Errors come in
lumps (a wolf, a pair of look-alikes), and the heaviest lump may be missing from any sample: as Fay
and Feuer (1997) do for weighted counts, the upper bound counts one more of it. No lump weighs less
than a pair of people, so that many pictures of few people never carry more than these people do.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.binomial import lower_bound, upper_bound
from embedge.calibration.rates import allowed_errors
from embedge.calibration.scores import PairScores

__all__ = ["ENOUGH", "JUDGED", "Lumps", "Strangers"]

# Below this many errors their clustering cannot be judged (the rule of 30)
JUDGED = 30
# and beyond this many it is known
ENOUGH = 2_000_000
_STEP = 1.25
# Lumps that were not met vary too: a group of 2 % of 200 people leaves no trace in one sample of
# eleven. Chosen by simulated look-alikes and wolves (benchmarks/interval_coverage.py)
_UNMET = 2.0
# The most matching people who count double where a rate's sensitivity is told
_MOST_MATCHING = 0.01

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lumps:
    """A rate, its variance, and what the heaviest lump adds to the rate."""

    rate: float
    variance: float
    heaviest: float

    def upper(self, confidence: float) -> float:
        """One-sided: without errors the rule of three on lumps, Clopper and Pearson's in kind."""
        mean = self.rate + self.heaviest
        if mean >= 1:
            return 1.0
        trials = mean / (_UNMET * self.variance + self.heaviest**2)
        return upper_bound(mean * trials - 1, trials, confidence)

    def lower(self, confidence: float) -> float:
        if not self.rate:
            return 0.0
        trials = self.rate / self.variance
        return lower_bound(self.rate * trials, trials, confidence)


@dataclass(frozen=True, slots=True, eq=False)
class _Meetings:
    """How often each two people meet: per person, squared per person, and of how many pairs."""

    each: Reals
    squares: Reals
    pairs: int


@dataclass(frozen=True, eq=False)
class Strangers:
    """Who the impostor comparisons are of."""

    scores: PairScores
    _known: dict[int, tuple[float, float]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def meetings(self) -> _Meetings:
        return _listed(self.scores) if self.scores.cells is not None else _all(self.scores)

    @property
    def pairs(self) -> int:
        """Different pairs of people: whatever the number of pictures, no more is known."""
        return self.meetings.pairs

    @cached_property
    def people(self) -> int:
        return int(np.count_nonzero(self.meetings.each))

    def lumps(self, errors: int) -> Lumps:
        """At the threshold with so many errors; fewer than 30 are judged by the 30 highest."""
        trials, tail = self.scores.impostors, len(self.scores.tail)
        judged = min(max(errors, JUDGED), ENOUGH, tail)
        rate, unit = errors / trials, 1 / self.pairs
        if not 0 < judged < trials:
            return Lumps(rate, max(rate, unit) * unit, unit)
        if judged not in self._known:
            self._known[judged] = self._spread(judged)
        variance, heaviest = self._known[judged]
        share = errors / judged
        # what the tail no longer holds is as clustered as what it does hold: people stay the same
        variance *= share if share <= 1 else share**2
        heaviest *= max(1.0, share)
        return Lumps(rate, max(variance, rate * unit), max(heaviest, unit))

    def _spread(self, errors: int) -> tuple[float, float]:
        """Dyadic variance of the rate (over 1 - rate), and the lump of the heaviest person."""
        trials, met = self.scores.impostors, self.meetings
        rate = errors / trials
        left, right, wrong, met_there = self._cells(errors)
        people = len(met.each)
        alone = _by_person(left, right, wrong, people)
        deviation = alone - rate * met.each
        squared = wrong**2 - 2 * rate * wrong * met_there
        own = _by_person(left, right, squared, people) + rate**2 * met.squares
        by_person = np.maximum(deviation**2 - own / 2, 0)
        variance = max(float((deviation**2).sum() - own.sum() / 2), float(own.sum() / 2))
        variance *= self.people / max(self.people - 1, 1) / (1 - rate)
        return variance / trials**2, float(np.sqrt(by_person.max())) / trials

    def _cells(self, errors: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Reals, Reals]:
        """Pairs of people with errors: how many, and out of how many comparisons."""
        scores, people = self.scores, len(self.meetings.each)
        pairs = scores.tail_pairs[len(scores.tail) - errors :]
        sides = scores.gallery_subjects[pairs[:, 0]], scores.probe_subjects[pairs[:, 1]]
        keys = np.minimum(*sides).astype(np.int64) * people + np.maximum(*sides)
        known, wrong = np.unique(keys, return_counts=True)
        left, right = np.divmod(known, people)
        return left, right, wrong.astype(np.float64), _met(scores, left, right)

    def errors_within(self, fmr: float, confidence: float) -> int | None:
        """The most errors whose upper bound, and that of every stricter threshold, is within."""
        most = min(allowed_errors(fmr, self.scores.impostors), len(self.scores.tail) - 1)
        low, high = 0, most + 1
        for rung in _ladder(most):
            if self.lumps(rung).upper(confidence) > fmr:
                high = rung
                break
            low = rung
        if not high:
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self.lumps(middle).upper(confidence) <= fmr:
                low = middle
            else:
                high = middle
        return low

    def errors_beyond(self, fmr: float, confidence: float) -> int:
        """The fewest errors whose lower bound is at or above; all that are held, if none are."""
        low, high = allowed_errors(fmr, self.scores.impostors), len(self.scores.tail)
        while low < high:
            middle = min((low + high) // 2, int(low * _STEP) + 1)
            if self.lumps(middle).lower(confidence) >= fmr:
                high = middle
            else:
                low = middle + 1
        return low

    def doubled(self, errors: int) -> float:
        """The rate if the most matching 1 % of the people (at least one) were twice as many."""
        people, met = len(self.meetings.each), self.meetings.each
        held = min(errors, ENOUGH, len(self.scores.tail))
        left, right, wrong, _ = self._cells(held)
        alone = _by_person(left, right, wrong, people)
        count = max(1, round(_MOST_MATCHING * self.people))
        weight = np.ones(people)
        weight[np.argsort(-alone, kind="stable")[:count]] = 2
        matches = float((wrong * weight[left] * weight[right]).sum())
        top = np.flatnonzero(weight > 1)
        first, second = top[np.triu_indices(len(top), 1)[0]], top[np.triu_indices(len(top), 1)[1]]
        among = float(_met(self.scores, first, second).sum())
        trials = self.scores.impostors + float(met[top].sum()) + among
        return min(1.0, matches * (errors / held) / trials) if held else 0.0


def _ladder(most: int) -> list[int]:
    rungs = [0]
    while rungs[-1] < most:
        rungs.append(min(most, max(rungs[-1] + 1, int(rungs[-1] * _STEP))))
    return rungs


def _counts(scores: PairScores) -> tuple[Reals, Reals]:
    return (
        np.bincount(scores.gallery_subjects, minlength=scores.codes).astype(np.float64),
        np.bincount(scores.probe_subjects, minlength=scores.codes).astype(np.float64),
    )


def _all(scores: PairScores) -> _Meetings:
    """Every picture of one side with every picture of the other."""
    gallery, probe = _counts(scores)
    both = (gallery > 0) & (probe > 0)
    one, some = int(both.sum()), int(((gallery > 0) ^ both).sum())
    others = int(((probe > 0) ^ both).sum())
    pairs = one * (one - 1) // 2 + one * (some + others) + some * others
    if scores.within:
        squares = gallery**2 * ((gallery**2).sum() - gallery**2)
        return _Meetings(gallery * (gallery.sum() - gallery), squares, pairs)
    each = gallery * (probe.sum() - probe) + probe * (gallery.sum() - gallery)
    squares = (
        gallery**2 * ((probe**2).sum() - probe**2)
        + probe**2 * ((gallery**2).sum() - gallery**2)
        + 2 * gallery * probe * ((gallery * probe).sum() - gallery * probe)
    )
    return _Meetings(each, squares, pairs)


def _listed(scores: PairScores) -> _Meetings:
    assert scores.cells is not None  # asked by the only caller
    left, right, counts = scores.cells.T
    met = counts.astype(np.float64)
    each = _by_person(left, right, met, scores.codes)
    return _Meetings(each, _by_person(left, right, met**2, scores.codes), len(counts))


def _by_person(
    left: NDArray[np.int64], right: NDArray[np.int64], values: Reals, people: int
) -> Reals:
    """What pairs of people have, added up for each of the two."""
    both = np.bincount(left, values, people) + np.bincount(right, values, people)
    return both.astype(np.float64)


def _met(scores: PairScores, left: NDArray[np.int64], right: NDArray[np.int64]) -> Reals:
    """How many comparisons these pairs of people have, the lower code on the left."""
    if scores.cells is None:
        gallery, probe = _counts(scores)
        if scores.within:
            return gallery[left] * gallery[right]
        return gallery[left] * probe[right] + gallery[right] * probe[left]
    if not len(scores.cells) or not len(left):
        return np.zeros(len(left))
    people = scores.codes
    known = scores.cells[:, 0] * people + scores.cells[:, 1]
    asked = left * people + right
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[place] == asked, scores.cells[place, 2], 0).astype(np.float64)
