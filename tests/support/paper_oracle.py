"""Every figure of a certificate and of a dossier once more, from embeddings, by the plainest loops.

Nothing of what makes the documents is used here, their intervals neither: those are of
interval_oracle. What comes out has the shape of the document, so that no figure can be left out.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from interval_oracle import Strangers, binomial, clustered, gaffke

__all__ = ["Oracle", "certified", "crossed", "figures", "people_needed", "proportion"]

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
Pair = tuple[int, int]
Told = dict[str, Any]


def figures(value: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a document (also yes and no), by its place."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from figures(inside, f"{place}.{name}".lstrip("."))
    elif isinstance(value, (list, tuple)):
        for number, inside in enumerate(value):
            yield from figures(inside, f"{place}[{number}]")
    elif isinstance(value, (int, float)):
        yield place, value


def proportion(marks: list[tuple[int, bool]]) -> tuple[float, float, float]:
    """(rate, low, high) of marked comparisons, each of which belongs to a person."""
    return sum(marked for _, marked in marks) / len(marks), *gaffke(marks)


def rate(told: tuple[float, float, float]) -> Told:
    return dict(zip(("rate", "low", "high"), told))


def recovered(
    gained: tuple[float, float, float], lost: tuple[float, float, float]
) -> tuple[float, float, float]:
    """A difference of two rates, by the variance that their own ends let one recover."""
    value = gained[0] - lost[0]
    down = ((gained[0] - gained[1]) ** 2 + (lost[2] - lost[0]) ** 2) ** 0.5
    up = ((gained[2] - gained[0]) ** 2 + (lost[0] - lost[1]) ** 2) ** 0.5
    return value, max(-1.0, value - down), min(1.0, value + up)


class Oracle:
    """Rows of both models, in plain Python."""

    def __init__(self, old: np.ndarray, new: np.ndarray, labels: list[int]) -> None:
        self.rows = {"old": old.astype(float), "new": new.astype(float)}
        self.labels = labels

    def pairs(self, *, same: bool) -> list[Pair]:
        """(gallery, probe) in both roles."""
        numbers = itertools.permutations(range(len(self.labels)), 2)
        return [(a, b) for a, b in numbers if (self.labels[a] == self.labels[b]) == same]

    def cosine(self, gallery: str, probe: str, a: int, b: int) -> float:
        return float(np.dot(self.rows[gallery][a], self.rows[probe][b]))

    def strangers(self, gallery: str, probe: str) -> Strangers:
        """A model's own pairs count once."""
        return Strangers(
            [
                (self.labels[a], self.labels[b], self.cosine(gallery, probe, a, b))
                for a, b in self.pairs(same=False)
                if gallery != probe or a < b
            ]
        )

    def accepts(self, gallery: str, probe: str, limit: float) -> dict[Pair, bool]:
        pairs = self.pairs(same=True)
        return {(a, b): self.cosine(gallery, probe, a, b) > limit for a, b in pairs}

    def false_matches(self, gallery: str, probe: str, limit: float) -> list[Pair]:
        pairs = self.pairs(same=False)
        return [(a, b) for a, b in pairs if self.cosine(gallery, probe, a, b) > limit]

    def marks(self, chosen: dict[Pair, bool]) -> list[tuple[int, bool]]:
        return [(self.labels[a], marked) for (a, _), marked in chosen.items()]

    def tar(self, accepts: dict[Pair, bool]) -> tuple[float, float, float]:
        _rate, low, high = proportion(self.marks({pair: not ok for pair, ok in accepts.items()}))
        return sum(accepts.values()) / len(accepts), 1 - high, 1 - low

    def losses(self, before: dict[Pair, bool], after: dict[Pair, bool]) -> dict[int, int]:
        lost = dict.fromkeys(self.labels, 0)
        for a, b in before:
            lost[self.labels[a]] += before[a, b] and not after[a, b]
        return lost

    def rank1(self, again: set[int]) -> tuple[float, float, float]:
        first: dict[int, int] = {}
        for row, person in enumerate(self.labels):
            first.setdefault(person, row)
        missed = []
        for probe, person in enumerate(self.labels):
            if first[person] == probe:
                continue
            scores = {
                other: self.cosine("new" if other in again else "old", "new", row, probe)
                for other, row in first.items()
            }
            best = max(score for other, score in scores.items() if other != person)
            missed.append((person, scores[person] <= best))
        wrong, low, high = proportion(missed)
        return 1 - wrong, 1 - high, 1 - low


def threshold_of(strangers: Strangers, value: float, errors: int, fmr: float) -> Told:
    return {
        "value": value,
        "fmr_target": fmr,
        "fmr": errors / strangers.trials,
        "fmr_upper": strangers.upper(errors, 0.95),
        "confidence": 0.95,
        "impostors": strangers.trials,
        "subjects": len(strangers.people),
    }


def certified(others: Oracle, judged: Oracle, fmr: float, seed: int) -> tuple[Told, Told]:
    """The paragon and one artifact, as a certificate has them."""
    systems: dict[tuple[str, str], Told] = {}
    decided: dict[tuple[str, str], dict[Pair, bool]] = {}
    limits: dict[tuple[str, str], float] = {}
    for gallery, probe in itertools.product(("old", "new"), repeat=2):
        both = gallery, probe
        strangers = others.strangers(*both)
        limits[both], errors = strangers.threshold(fmr)
        decided[both] = judged.accepts(*both, limits[both])
        told, met = judged.tar(decided[both]), judged.strangers(*both)
        wrong = met.above(limits[both])
        systems[both] = {
            "threshold": threshold_of(strangers, limits[both], errors, fmr),
            "genuine": len(decided[both]),
            "accepted": sum(decided[both].values()),
            "tar": rate(told),
            "impostor": met.trials,
            "false_matches": wrong,
            "fmr": rate((wrong / met.trials, *met.interval(wrong))),
        }
    cross, alone, paragon = ("old", "new"), ("new", "new"), ("old", "old")
    tars = {both: system["tar"]["rate"] for both, system in systems.items()}
    asymmetric = _replacement(judged, decided[alone], decided[cross])
    backward = _replacement(judged, decided[paragon], decided[cross])
    value, low, high = (backward["difference"][end] for end in ("value", "low", "high"))
    artifact = {
        "cross": systems[cross],
        "reverse": systems["new", "old"],
        "alone": systems[alone],
        "asymmetric": asymmetric,
        "backward": backward,
        "paragon_gap": {"value": -value, "low": -high, "high": -low},
        "backfill": _backfill(judged, decided, limits, seed),
    }
    way = tars[paragon] - tars[alone]
    if way > 0:
        artifact["update_gain"] = (tars[cross] - tars[alone]) / way
    return systems[paragon], artifact


def _replacement(judged: Oracle, before: dict[Pair, bool], after: dict[Pair, bool]) -> Told:
    lost = {pair: before[pair] and not after[pair] for pair in before}
    won = {pair: after[pair] and not before[pair] for pair in before}
    negative, positive = proportion(judged.marks(lost)), proportion(judged.marks(won))
    difference = recovered(positive, negative)
    losses = judged.losses(before, after)
    losing = sum(count > 0 for count in losses.values())
    return {
        "difference": dict(zip(("value", "low", "high"), difference)),
        "above": difference[0] > 0,
        "flips": {
            "comparisons": len(before),
            "negative": sum(lost.values()),
            "positive": sum(won.values()),
            "negative_rate": rate(negative),
            "positive_rate": rate(positive),
            "people": len(losses),
            "people_losing": losing,
            "losing": rate((losing / len(losses), *binomial(losing, len(losses)))),
            "most_of_one_person": max(losses.values()),
            "people_by_losses": [
                sum(min(count, 4) == number for count in losses.values()) for number in range(5)
            ],
        },
    }


def _backfill(
    judged: Oracle,
    decided: dict[tuple[str, str], dict[Pair, bool]],
    limits: dict[tuple[str, str], float],
    seed: int,
) -> list[Told]:
    labels, names = judged.labels, sorted(set(judged.labels))
    order = [names[n] for n in np.random.default_rng(seed).permutation(len(names))]
    wrong = {who: judged.false_matches(who, "new", limits[who, "new"]) for who in ("old", "new")}
    strangers = len(judged.pairs(same=False))
    points = []
    for share in SHARES:
        again = set(order[: round(share * len(names))])
        mixed = {
            (a, b): decided["new" if labels[a] in again else "old", "new"][a, b]
            for a, b in judged.pairs(same=True)
        }
        false = sum(labels[a] in again for a, _ in wrong["new"]) + sum(
            labels[a] not in again for a, _ in wrong["old"]
        )
        points.append(
            {
                "share": share,
                "people": len(again),
                "tar": rate(judged.tar(mixed)),
                "fmr": false / strangers,
                "rank1": rate(judged.rank1(again)),
            }
        )
    return points


def crossed(
    rows: np.ndarray,
    people: list[int],
    groups: list[str],
    one: str,
    other: str,
    limit: float,
    side: float = 0.975,
) -> tuple[int, int, float, float, float]:
    """(comparisons, false matches, rate, low, high) of two groups of people, or of one."""
    exact = rows.astype(float)
    comparisons = [
        (people[a], people[b], float(np.dot(exact[a], exact[b])) > limit)
        for a, b in itertools.combinations(range(len(people)), 2)
        if people[a] != people[b] and sorted((groups[a], groups[b])) == sorted((one, other))
    ]
    wrong = sum(match for _, _, match in comparisons)
    return len(comparisons), wrong, *clustered(comparisons, side)


def people_needed(fmr: float, confidence: float = 0.95) -> int:
    """By trying: the chance that none of the pairs matches falls to 5 %."""
    people = 2
    while (1 - fmr) ** (people * (people - 1) / 2) > 1 - confidence:
        people += 1
    return people
