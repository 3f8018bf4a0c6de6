"""Every figure of a dossier once more: from embeddings, who they are of, and what failed."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from interval_oracle import SIDE, Strangers, gaffke, mover, upper
from paper_oracle import crossed, people_needed, proportion, rate, threshold_of
from scipy.optimize import brentq

__all__ = ["filed", "findings", "set_on", "worst"]

FMRS = (1e-2, 1e-3, 1e-4, 1e-5)
DET, BINS = 120, 128
SHAPES = ((1e-4, 0.05, 245), (2e-5, 0.10, 0))  # FAR, FRR, fewest people

Told = dict[str, Any]
Tried = list[tuple[int, bool]]  # of each picture whose it is, and whether it failed


def set_on(rows: np.ndarray, labels: list[int], fmr: float) -> Told:
    """The threshold of people who are not judged."""
    strangers = _Scores(rows, labels).strangers
    return threshold_of(strangers, *strangers.threshold(fmr), fmr)


def filed(
    rows: np.ndarray, labels: list[int], tried: Tried, threshold: Told, groups: list[str]
) -> Told:
    scores, limit = _Scores(rows, labels), threshold["value"]
    wrong, fta = scores.strangers.above(limit), proportion(tried)
    fmr = wrong / scores.strangers.trials, *scores.strangers.interval(wrong)
    fnmr, people = proportion(scores.rejected(limit)), len(set(labels))
    far, frr = fmr[0] * (1 - fta[0]), fta[0] + (1 - fta[0]) * fnmr[0]
    frr_upper = fta[2] + (1 - fta[2]) * fnmr[2]
    counts = {
        "images": len(labels),
        "subjects": people,
        "genuine": len(scores.genuine),
        "impostor": scores.strangers.trials,
        "confidence": 0.95,
    }
    return {
        "faces": {
            "people": people,
            "pictures": len(labels),
            "acquisition": {
                "attempted": len(tried),
                "failed": sum(bad for _, bad in tried),
                "comparisons_left_out": 0,
            },
            "fta": rate(fta),
        },
        "operation": {
            "threshold": threshold,
            "false_matches": wrong,
            "fmr": rate(fmr),
            "fmr_upper": fmr[2],
            "rejected": sum(bad for _, bad in scores.rejected(limit)),
            "fnmr": rate(fnmr),
            "far": far,
            "frr": frr,
            "frr_upper": frr_upper,
        },
        "comparison": {
            **counts,
            "eer": scores.equal_error(),
            "tar": [scores.tar(asked) for asked in FMRS],
            "histogram": scores.histogram(),
            "det": scores.det(),
            "at_threshold": {
                "threshold": limit,
                "fmr": rate(fmr),
                "fnmr": rate(fnmr),
                "fmr_doubled": scores.strangers.doubled(wrong),
            },
        },
        "annex": [_annex(rows, labels, groups, limit, threshold["fmr_target"])],
        "shaped": [_shaped(people, far, fmr[2], frr, frr_upper, *shape) for shape in SHAPES],
    }


def findings(rows: np.ndarray, labels: list[int]) -> list[Told]:
    """How many pictures look like somebody else's, and how many two people like one person."""
    scores, people = _Scores(rows, labels), sorted(set(labels))
    limit, exact = scores.equal_error_at(), rows.astype(float)
    typical = float(np.median([cosine for _, cosine in scores.genuine]))
    of = {person: [n for n, one in enumerate(labels) if one == person] for person in people}

    def mean(some: list[int], others: list[int]) -> float:
        pairs = list(itertools.product(some, others))
        return math.fsum(np.dot(exact[a], exact[b]) for a, b in pairs) / len(pairs)

    strays = 0
    for picture, person in enumerate(labels):
        rest = [n for n in of[person] if n != picture]
        strange = max(mean([picture], of[other]) for other in people if other != person)
        strays += bool(rest) and mean([picture], rest) <= limit < strange
    alike = sum(mean(of[a], of[b]) >= typical for a, b in itertools.combinations(people, 2))
    return [{"count": count} for count in (strays, alike) if count]


class _Scores:
    """Every two pictures once."""

    def __init__(self, rows: np.ndarray, labels: list[int]) -> None:
        self.genuine: list[tuple[int, float]] = []
        strangers, exact = [], rows.astype(float)
        for a, b in itertools.combinations(range(len(labels)), 2):
            cosine = float(np.dot(exact[a], exact[b]))
            if labels[a] == labels[b]:
                self.genuine.append((labels[a], cosine))
            else:
                strangers.append((labels[a], labels[b], cosine))
        self.strangers = Strangers(strangers)

    def rejected(self, limit: float) -> Tried:
        return [(person, cosine <= limit) for person, cosine in self.genuine]

    def fnmr(self, limit: float) -> float:
        return sum(bad for _, bad in self.rejected(limit)) / len(self.genuine)

    def fmr(self, limit: float) -> float:
        return self.strangers.above(limit) / self.strangers.trials

    def tar(self, asked: float) -> Told:
        met = self.strangers
        if met.upper(0, 0.95) > asked:
            reach = math.ceil(len(met.people) * (met.upper(0, 0.95) / asked) ** 0.5)
            needs = max(people_needed(asked), reach)
            return {"fmr": asked, "needs": needs, "have": len(met.people)}
        allowed = math.floor(asked * met.trials)
        limit, strict = met.scores[allowed], met.scores[met.within(asked)]
        lenient = met.scores[met.beyond(asked)]
        known = gaffke(self.rejected(limit))
        moved = self.fnmr(min(lenient, limit)), self.fnmr(max(strict, limit))
        low, high = mover(self.fnmr(limit), known, moved)
        return {
            "fmr": asked,
            "tar": 1 - self.fnmr(limit),
            "low": 1 - high,
            "high": 1 - low,
            "threshold": limit,
            "measured": rate((self.fmr(limit), *met.interval(met.above(limit)))),
            "false_matches": met.above(limit),
            "false_non_matches": sum(bad for _, bad in self.rejected(limit)),
        }

    def equal_error_at(self) -> float:
        """The score at which the two rates are closest."""
        every = sorted({*self.strangers.scores, *(cosine for _, cosine in self.genuine), -1.0, 1.0})
        behind = next(n for n, limit in enumerate(every) if self.fnmr(limit) >= self.fmr(limit))
        pair = every[behind - 1 : behind + 1]
        return min(pair, key=lambda limit: abs(self.fnmr(limit) - self.fmr(limit)))

    def equal_error(self) -> Told:
        """And how far either doubt moves the crossing."""
        at = self.equal_error_at()
        value, met = (self.fmr(at) + self.fnmr(at)) / 2, self.strangers

        def rejected(end: int) -> Callable[[float], float]:
            return lambda limit: gaffke(self.rejected(limit))[end]

        def matched(end: int) -> Callable[[float], float]:
            return lambda limit: met.interval(met.above(limit))[end]

        by_fmr = _low(at, matched(0), self.fnmr), _high(at, matched(1), self.fnmr)
        by_fnmr = _low(at, self.fmr, rejected(0)), _high(at, self.fmr, rejected(1))
        low, high = mover(value, by_fmr, by_fnmr)
        return {"rate": value, "low": low, "high": high, "threshold": at}

    def histogram(self) -> Told:
        def counts(scores: list[float]) -> list[int]:
            places = [min(BINS - 1, max(0, math.floor((s + 1) * BINS / 2))) for s in scores]
            return [places.count(number) for number in range(BINS)]

        return {
            "edges": [-1 + 2 * number / BINS for number in range(BINS + 1)],
            "genuine": counts([cosine for _, cosine in self.genuine]),
            "impostor": counts(self.strangers.scores),
        }

    def det(self) -> Told:
        met = self.strangers
        ranks = np.unique(np.geomspace(1, met.trials, DET - 1).astype(int)) - 1
        limits = sorted({-1.0, *(met.scores[rank] for rank in ranks)})
        bands = [gaffke(self.rejected(limit)) for limit in limits]
        return {
            "threshold": limits,
            "fmr": [self.fmr(limit) for limit in limits],
            "fnmr": [self.fnmr(limit) for limit in limits],
            "low": [low for low, _ in bands],
            "high": [high for _, high in bands],
        }


def _bracket(
    start: float, falling: Callable[[float], float], rising: Callable[[float], float]
) -> tuple[float, float]:
    """Both are stairs: fourteen halvings say between which two thresholds they meet."""
    low, high = (start, 1.0) if falling(start) > rising(start) else (-1.0, start)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > rising(middle) else (low, middle)
    return low, high


def _low(
    start: float, falling: Callable[[float], float], rising: Callable[[float], float]
) -> float:
    low, high = _bracket(start, falling, rising)
    return max(rising(low), falling(high))


def _high(
    start: float, falling: Callable[[float], float], rising: Callable[[float], float]
) -> float:
    low, high = _bracket(start, falling, rising)
    return min(falling(low), rising(high))


def _annex(
    rows: np.ndarray, labels: list[int], groups: list[str], limit: float, asked: float
) -> Told:
    names, fewest = sorted(set(groups)), people_needed(asked)
    scores, told = _Scores(rows, labels), []
    whose = dict(zip(labels, groups))
    for name in names:
        mine = [n for n, group in enumerate(groups) if group == name]
        people = len({labels[n] for n in mine})
        comparisons, wrong, *fmr = crossed(rows, labels, groups, name, name, limit)
        marks = [mark for mark in scores.rejected(limit) if whose[mark[0]] == name]
        told.append(
            {
                "people": people,
                "pictures": len(mine),
                "needs_people": max(0, fewest - people),
                "impostor": comparisons,
                "false_matches": wrong,
                "fmr": rate((fmr[0], fmr[1], fmr[2])),
                "genuine": len(marks),
                "rejected": sum(bad for _, bad in marks),
                "fnmr": rate(proportion(marks)),
            }
        )
    cells = []
    for one, other in itertools.combinations_with_replacement(names, 2):
        comparisons, wrong, *fmr = crossed(rows, labels, groups, one, other, limit)
        cell = {"comparisons": comparisons, "false_matches": wrong}
        cells.append({**cell, "fmr": rate((fmr[0], fmr[1], fmr[2]))})
    side = 1 - 0.025 / (len(names) * (len(names) - 1) / 2)

    def matched(name: str) -> tuple[float, float, float]:
        return crossed(rows, labels, groups, name, name, limit, side)[2:]

    def rejected(name: str) -> tuple[float, float, float]:
        marks = [mark for mark in scores.rejected(limit) if whose[mark[0]] == name]
        return sum(bad for _, bad in marks) / len(marks), *gaffke(marks, side)

    both = [worst([find(name) for name in names]) for find in (matched, rejected)]
    return {"fewest_people": fewest, "groups": told, "crossed": cells, "worst": both}


def worst(rates: list[tuple[float, float, float]]) -> Told:
    """How many times the highest rate is the lowest, and surely: doubts add as logarithms."""
    (least, _, high), (most, low, _) = min(rates), max(rates)
    if low <= 0 or high <= 0:
        surely = 1.0
    elif least <= 0:
        surely = low / high
    else:
        reach = math.hypot(math.log(most / low), math.log(high / least))
        surely = most / least * math.exp(-reach)
    found = {"at_least": max(1.0, surely)}
    return found if least <= 0 else {"ratio": most / least, **found}


def _shaped(
    people: int,
    far: float,
    far_upper: float,
    frr: float,
    frr_upper: float,
    most_far: float,
    most_frr: float,
    at_least: int,
) -> Told:
    fewest = max(at_least, people_needed(most_far, SIDE), _people_for_fnmr(most_frr))
    by_pairs = _more(far, far_upper, most_far, people * (people - 1) / 2)
    by_people = _more(frr, frr_upper, most_frr, people)
    more_far = None if by_pairs is None else _of_pairs(by_pairs) - people
    more_frr = None if by_people is None else math.ceil(by_people - 1e-6) - people
    needs = [0]
    if more_far is not None and more_frr is not None:
        needs = [0, fewest - people, more_far, more_frr]
    requirements = [
        {"bound": most_far, "rate": far, "upper": far_upper, "more_people": more_far},
        {"bound": most_frr, "rate": frr, "upper": frr_upper, "more_people": more_frr},
    ]
    return {
        "people": people,
        "fewest_people": fewest,
        "more_people": max(needs),
        "requirements": [
            {name: value for name, value in one.items() if value is not None}
            for one in requirements
        ],
    }


def _people_for_fnmr(most: float) -> int:
    people = 1
    while (1 - most) ** people > 1 - SIDE:
        people += 1
    return people


def _of_pairs(pairs: float) -> int:
    """So many people have so many different pairs."""
    people = 2
    while people * (people - 1) / 2 < pairs - 1e-6:
        people += 1
    return people


def _more(value: float, end: float, bound: float, have: float) -> float | None:
    """How much evidence brings the upper end of the same rate down to its bound; None: no amount.

    Evidence is what independent trials with this upper end would be.
    """
    if end <= bound:
        return have
    if value >= bound:
        return None

    def trials(goal: float) -> float:
        return float(brentq(lambda n: upper(value * n, n) - goal, 1.0, 1e12, xtol=1e-9))

    return have * trials(bound) / max(trials(end), 1.0)
