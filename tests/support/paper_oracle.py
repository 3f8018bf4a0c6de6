"""Every figure of a certificate and of a dossier once more, from embeddings, by the plainest loops.

Nothing of what makes the documents is used here. Only the interval of a proportion of comparisons
is the product's (its own tests hold it against a brute-force jackknife); it is given comparisons
that were counted here.
"""

import itertools
import math

import numpy as np
from scipy.stats import beta, norm

from embedge.calibration.intervals.rates import evidence_of, fmr_interval, fmr_upper, fnmr_interval
from embedge.calibration.scores import BINS, PairScores

__all__ = [
    "Oracle",
    "binomial",
    "crossed",
    "impostor_interval",
    "mover",
    "people_needed",
    "proportion",
]


def binomial(errors: float, trials: float) -> tuple[float, float]:
    low = beta.ppf(0.025, errors, trials - errors + 1) if errors > 0 else 0.0
    high = beta.ppf(0.975, errors + 1, trials - errors) if errors < trials else 1.0
    return float(low), float(high)


def proportion(marks: list[tuple[int, bool]]) -> tuple[float, float, float]:
    """(rate, low, high) of marked comparisons, each of which belongs to a person."""
    people = sorted({person for person, _ in marks})
    codes = np.array([people.index(person) for person, _ in marks], np.int32)
    order = sorted(range(len(marks)), key=lambda n: not marks[n][1])
    rows = np.array(order, np.int32)
    values = np.array([0.0 if marks[n][1] else 1.0 for n in order], np.float32)
    nothing = np.empty(0, np.float32), np.empty((0, 2), np.int32), np.zeros(BINS, np.int64)
    scores = PairScores(values, np.stack([rows, rows], 1), *nothing, codes, codes, within=True)
    found = fnmr_interval(evidence_of(scores), 0.5)
    return sum(marked for _, marked in marks) / len(marks), found.low, found.high


def mover(
    gained: tuple[float, float, float], lost: tuple[float, float, float]
) -> tuple[float, float, float]:
    value = gained[0] - lost[0]
    down = math.sqrt((gained[0] - gained[1]) ** 2 + (lost[2] - lost[0]) ** 2)
    up = math.sqrt((gained[2] - gained[0]) ** 2 + (lost[0] - lost[1]) ** 2)
    return value, max(-1.0, value - down), min(1.0, value + up)


class Oracle:
    """The judged people's rows of both models, in plain Python."""

    def __init__(self, old: np.ndarray, new: np.ndarray, labels: list[int]):
        self.rows = {"old": old.astype(float), "new": new.astype(float)}
        self.labels = labels

    def pairs(self, *, same: bool) -> list[tuple[int, int]]:
        """(gallery, probe) in both roles."""
        numbers = itertools.permutations(range(len(self.labels)), 2)
        return [(a, b) for a, b in numbers if (self.labels[a] == self.labels[b]) == same]

    def cosine(self, gallery: str, probe: str, a: int, b: int) -> float:
        return float(np.dot(self.rows[gallery][a], self.rows[probe][b]))

    def accepts(self, gallery: str, probe: str, limit: float) -> dict[tuple[int, int], bool]:
        pairs = self.pairs(same=True)
        return {(a, b): self.cosine(gallery, probe, a, b) > limit for a, b in pairs}

    def false_matches(self, gallery: str, probe: str, limit: float) -> list[tuple[int, int]]:
        pairs = self.pairs(same=False)
        return [(a, b) for a, b in pairs if self.cosine(gallery, probe, a, b) > limit]

    def marks(self, chosen: dict[tuple[int, int], bool]) -> list[tuple[int, bool]]:
        return [(self.labels[a], marked) for (a, _), marked in chosen.items()]

    def tar(self, accepts: dict[tuple[int, int], bool]) -> tuple[float, float, float]:
        _rate, low, high = proportion(self.marks({pair: not ok for pair, ok in accepts.items()}))
        return sum(accepts.values()) / len(accepts), 1 - high, 1 - low

    def losses(
        self, before: dict[tuple[int, int], bool], after: dict[tuple[int, int], bool]
    ) -> dict[int, int]:
        lost = dict.fromkeys(self.labels, 0)
        for a, b in before:
            lost[self.labels[a]] += before[a, b] and not after[a, b]
        return lost

    def rank1(self, again: set[int]) -> list[tuple[int, bool]]:
        first: dict[int, int] = {}
        for row, person in enumerate(self.labels):
            first.setdefault(person, row)
        found = []
        for probe, person in enumerate(self.labels):
            if first[person] == probe:
                continue
            scores = {
                other: self.cosine("new" if other in again else "old", "new", row, probe)
                for other, row in first.items()
            }
            best = max(score for other, score in scores.items() if other != person)
            found.append((person, scores[person] > best))
        return found


def crossed(
    rows: np.ndarray, people: list[int], groups: list[str], one: str, other: str, limit: float
) -> tuple[int, int, float, float, float]:
    """(comparisons, false matches, rate, low, high), what each person adds summed by hand."""
    errors, trials = dict.fromkeys(people, 0), dict.fromkeys(people, 0)
    pairs, total, wrong = set(), 0, 0
    for a, b in itertools.combinations(range(len(people)), 2):
        if people[a] == people[b] or sorted((groups[a], groups[b])) != sorted((one, other)):
            continue
        match = float(np.dot(rows[a].astype(float), rows[b].astype(float))) > limit
        total, wrong = total + 1, wrong + match
        pairs.add(frozenset((people[a], people[b])))
        for person in (people[a], people[b]):
            errors[person] += match
            trials[person] += 1
    rate, count = wrong / total, sum(value > 0 for value in trials.values())
    added = [(errors[person] - rate * trials[person]) / total for person in trials]
    effective = min(total, len(pairs))
    if 0 < wrong < total:
        variance = sum(one**2 for one in added) * count / (count - 1)
        freedom, z = (
            sum(one**2 for one in added) ** 2 / sum(one**4 for one in added),
            norm.ppf(0.975),
        )
        wider = 1 + (z**2 + 1) / 4 / freedom + (5 * z**4 + 16 * z**2 + 3) / 96 / freedom**2
        effective = min(effective, rate * (1 - rate) / variance / wider**2)
    return total, wrong, rate, *binomial(rate * effective, effective)


def people_needed(fmr: float) -> int:
    """By trying: the chance that none of the pairs matches falls to 5 %."""
    people = 2
    while (1 - fmr) ** (people * (people - 1) / 2) > 0.05:
        people += 1
    return people


def impostor_interval(scores: PairScores, limit: float) -> tuple[float, float, float]:
    found = fmr_interval(evidence_of(scores), limit)
    return found.low, found.high, fmr_upper(evidence_of(scores), scores.impostors_above(limit))
