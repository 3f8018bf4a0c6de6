"""Intervals of rates, thresholds and the figures at them, from lists of comparisons in plain loops.

Nothing of the product is used. The formulas are those of decision 0053; numpy draws the random
weights that the method names (seed 0, in single precision), scipy knows the beta distribution.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy.stats import beta, norm

__all__ = ["Strangers", "binomial", "clustered", "gaffke", "lower", "mover", "upper"]

SIDE = 0.975
JUDGED = 30  # errors below which their clustering is judged by the highest thirty
UNMET = 2.0
DOMINATES = 0.1

Ends = tuple[float, float]


def upper(errors: float, trials: float, side: float = SIDE) -> float:
    return 1.0 if errors >= trials else float(beta.ppf(side, errors + 1, trials - errors))


def lower(errors: float, trials: float, side: float = SIDE) -> float:
    return 0.0 if errors <= 0 else float(beta.ppf(1 - side, errors, trials - errors + 1))


def binomial(errors: float, trials: float, side: float = SIDE) -> Ends:
    return lower(errors, trials, side), upper(errors, trials, side)


def gaffke(marks: list[tuple[int, bool]], side: float = SIDE) -> Ends:
    """Of the share of marked comparisons, each of which belongs to a person."""
    people = sorted({person for person, _ in marks})
    met, wrong = (Counter(dict.fromkeys(people, 0)) for _ in range(2))
    for person, marked in marks:
        met[person] += 1
        wrong[person] += marked
    return _gaffke(tuple(met[p] for p in people), tuple(wrong[p] for p in people), side)


@cache
def _gaffke(counts: tuple[int, ...], errors: tuple[int, ...], side: float) -> Ends:
    people, total = len(counts), sum(counts)
    mean = total / people
    unmet = mean
    if max(counts) > DOMINATES * total:
        unmet = max(mean, sum(count**2 for count in counts) / total)
    least, most, alone = [], [], []
    for mine, *theirs in _weights(people):
        other = mine * unmet
        whole = math.fsum(w * c for w, c in zip(theirs, counts)) + other
        bad = math.fsum(w * e for w, e in zip(theirs, errors))
        least.append(bad / whole)
        most.append((bad + other) / whole)
        alone.append(other / whole)
    nobody = 1 - (1 - side) ** (1 / people)
    if unmet > mean:
        nobody = max(nobody, _quantile(alone, side))
    if errors == counts:
        return 1 - nobody, 1.0
    high = _quantile(most, side) if any(errors) else 0.0
    return _quantile(least, 1 - side), min(1.0, max(high, nobody))


def _weights(people: int) -> list[list[float]]:
    draws = min(4_000, max(1_000, 16_000_000 // (people + 1)))
    random = np.random.default_rng(0).standard_exponential((draws, people + 1), np.float32)
    found: list[list[float]] = random.astype(float).tolist()
    return found


def _quantile(values: list[float], share: float) -> float:
    ordered, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def mover(rate: float, *sources: Ends) -> Ends:
    """Independent doubts of one rate: their reaches add as squares."""
    down = math.sqrt(sum(max(0.0, rate - low) ** 2 for low, _ in sources))
    up = math.sqrt(sum(max(0.0, high - rate) ** 2 for _, high in sources))
    return max(0.0, rate - down), min(1.0, rate + up)


@dataclass(eq=False)
class Strangers:
    """Impostor comparisons: whose they are, and their scores."""

    comparisons: list[tuple[int, int, float]]
    _known: dict[int, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.comparisons = sorted(self.comparisons, key=lambda one: -one[2])
        self.scores = [score for _, _, score in self.comparisons]
        self.met = Counter(frozenset((a, b)) for a, b, _ in self.comparisons)
        self.people = sorted(set().union(*self.met))
        self.trials = len(self.comparisons)

    def above(self, limit: float) -> int:
        return sum(score > limit for score in self.scores)

    def upper(self, errors: int, side: float = SIDE) -> float:
        rate, variance, heaviest = self._lumps(errors)
        mean = rate + heaviest
        if mean >= 1:
            return 1.0
        trials = mean / (UNMET * variance + heaviest**2)
        return upper(mean * trials - 1, trials, side)

    def lower(self, errors: int, side: float = SIDE) -> float:
        rate, variance, _ = self._lumps(errors)
        return lower(rate * rate / variance, rate / variance, side) if rate else 0.0

    def interval(self, errors: int) -> Ends:
        return self.lower(errors), self.upper(errors)

    def _lumps(self, errors: int) -> tuple[float, float, float]:
        rate, unit = errors / self.trials, 1 / len(self.met)
        judged = min(max(errors, JUDGED), self.trials)
        if judged == self.trials:
            return rate, max(rate, unit) * unit, unit
        if judged not in self._known:
            self._known[judged] = self._spread(judged)
        variance, heaviest = self._known[judged]
        variance *= errors / judged
        return rate, max(variance, rate * unit), max(heaviest, unit)

    def _spread(self, errors: int) -> tuple[float, float]:
        """Products of deviations of every two pairs of people that share somebody.

        Of the pairs of one person they are the square of the sum, less those of a pair with itself.
        """
        rate = errors / self.trials
        wrong = Counter(frozenset((a, b)) for a, b, _ in self.comparisons[:errors])
        apart = {pair: wrong[pair] - rate * met for pair, met in self.met.items()}
        with_whom: dict[int, list[frozenset[int]]] = {person: [] for person in self.people}
        for pair in apart:
            for person in pair:
                with_whom[person].append(pair)
        own = math.fsum(one**2 for one in apart.values())
        total, lumps = own, dict.fromkeys(self.people, 0.0)
        for person, pairs in with_whom.items():
            together = math.fsum(apart[pair] for pair in pairs) ** 2
            alone = math.fsum(apart[pair] ** 2 for pair in pairs)
            lumps[person] = together - alone / 2
            total += together - alone
        count = len(self.people)
        variance = max(total, own) * count / (count - 1) / (1 - rate) / self.trials**2
        return variance, math.sqrt(max(0.0, *lumps.values())) / self.trials

    def threshold(self, fmr: float) -> tuple[float, int]:
        """The smallest score whose bound is within, as that of every stricter one; its errors."""
        errors = self.within(fmr)
        return self.scores[errors], errors

    def within(self, fmr: float) -> int:
        errors = -1
        while errors + 1 < self.trials and errors + 1 <= fmr * self.trials:
            if self.upper(errors + 1, 0.95) > fmr:
                break
            errors += 1
        assert errors >= 0, "these people carry no such threshold"
        return errors

    def beyond(self, fmr: float) -> int:
        """The fewest errors that are certainly as many as the FMR."""
        errors = math.floor(fmr * self.trials)
        while errors < self.trials and self.lower(errors, 0.95) < fmr:
            errors += 1
        return errors

    def doubled(self, errors: int) -> float:
        """The rate if the one percent who match most (at least one) were twice as many."""
        wrong = Counter(frozenset((a, b)) for a, b, _ in self.comparisons[:errors])
        alone = {p: sum(n for pair, n in wrong.items() if p in pair) for p in self.people}
        count = max(1, round(0.01 * len(self.people)))
        most = sorted(self.people, key=lambda person: (-alone[person], person))[:count]

        def weighed(counts: Counter[frozenset[int]]) -> float:
            return sum(n * 2 ** sum(p in pair for p in most) for pair, n in counts.items())

        return min(1.0, weighed(wrong) / weighed(self.met))


def clustered(
    comparisons: list[tuple[int, int, bool]], side: float = SIDE
) -> tuple[float, float, float]:
    """(rate, low, high) of marked comparisons of two people, its variance by the jackknife.

    Everybody is left out once, and the rate counted anew; a change is weighed by the comparisons
    that it rests on.
    """
    total, wrong = len(comparisons), sum(marked for _, _, marked in comparisons)
    rate, people = wrong / total, sorted({p for a, b, _ in comparisons for p in (a, b)})
    changes = []
    for person in people:
        left = [marked for a, b, marked in comparisons if person not in (a, b)]
        # whoever is in every comparison leaves none to count
        without = sum(left) / len(left) if left else rate
        changes.append((rate - without) * len(left) / total)
    effective = float(min(total, len({frozenset((a, b)) for a, b, _ in comparisons})))
    squares = [change**2 for change in changes]
    if sum(squares) > 0:
        variance = sum(squares) * len(people) / (len(people) - 1)
        freedom = sum(squares) ** 2 / sum(one**2 for one in squares)
        z = norm.ppf(side)
        wider = 1 + (z**2 + 1) / 4 / freedom + (5 * z**4 + 16 * z**2 + 3) / 96 / freedom**2
        effective = min(effective, rate * (1 - rate) / variance / wider**2)
    return rate, *binomial(rate * effective, effective, side)
