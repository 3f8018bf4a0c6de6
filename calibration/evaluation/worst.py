"""The comparisons that went worst, for people to look at."""

from dataclasses import dataclass

import numpy as np

from embedge.calibration.scores import PairScores

__all__ = ["ScoredPair", "WorstPairs", "worst_pairs"]


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """Row numbers in the gallery and the probe, and the cosine of the two."""

    gallery: int
    probe: int
    score: float


@dataclass(frozen=True, slots=True)
class WorstPairs:
    impostors: tuple[ScoredPair, ...]
    genuines: tuple[ScoredPair, ...]


def worst_pairs(scores: PairScores, count: int) -> WorstPairs:
    """The highest impostors and the lowest genuines; two people, or one, are shown once only."""
    highest = range(len(scores.tail) - 1, -1, -1)
    lowest = range(len(scores.genuine))
    return WorstPairs(
        _distinct(scores, scores.tail, scores.tail_pairs, highest, count),
        _distinct(scores, scores.genuine, scores.genuine_pairs, lowest, count),
    )


def _distinct(
    scores: PairScores,
    values: np.ndarray,
    pairs: np.ndarray,
    order: range,
    count: int,
) -> tuple[ScoredPair, ...]:
    found: dict[frozenset[int], ScoredPair] = {}
    for number in order:
        if len(found) == count:
            break
        gallery, probe = (int(row) for row in pairs[number])
        people = frozenset(
            (int(scores.gallery_subjects[gallery]), int(scores.probe_subjects[probe]))
        )
        found.setdefault(people, ScoredPair(gallery, probe, float(values[number])))
    return tuple(found.values())
