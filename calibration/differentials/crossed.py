"""False matches within and between groups, block by block: any number of pairs in little memory.

What is held is one count for each picture and group, so 280 million pairs take no more room than
a few thousand. The interval linearises the rate over people (the first-order, or Hájek, projection
of a two-sample U-statistic): what each person's comparisons add to the rate is one independent
draw. Degrees of freedom count the people in whom the variance lies (Satterthwaite), not all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import Count, Rate
from embedge.calibration.intervals.binomial import lower_bound, upper_bound
from embedge.calibration.intervals.rates import CONFIDENCE
from embedge.calibration.pairs import checked_embeddings
from embedge.calibration.scores import Float32

__all__ = [
    "CrossedRate",
    "FalseMatches",
    "clustered_rate",
    "crossed_rate",
    "crossed_rates",
    "false_matches",
]

_BLOCK = 2048
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CrossedRate:
    """FMR of one group against another, or against itself; None where nobody was compared."""

    one: str
    other: str
    comparisons: Count
    false_matches: Count
    fmr: Rate | None


@dataclass(frozen=True, slots=True, eq=False)
class FalseMatches:
    """How often each picture matches pictures of other people in each group of an attribute.

    `counts[t, picture, group]` is at threshold t. Pictures of group -1 are of no group.
    """

    subjects: Codes
    groups: Codes
    names: tuple[str, ...]
    counts: NDArray[np.int64]


def false_matches(
    embeddings: Float32,
    subjects: Codes,
    attributes: Sequence[tuple[Codes, tuple[str, ...]]],
    thresholds: Sequence[float],
    *,
    on_rows: Callable[[int], object] = lambda _: None,
) -> list[FalseMatches]:
    """One walk over all pairs of different people, for all attributes and thresholds."""
    rows = checked_embeddings(embeddings, subjects)
    limits = np.asarray(thresholds, np.float32)
    found = [
        FalseMatches(
            subjects, groups, names, np.zeros((len(limits), len(rows), len(names) + 1), np.int64)
        )
        for groups, names in attributes
    ]
    for top in range(0, len(rows), _BLOCK):
        for left in range(top, len(rows), _BLOCK):
            _add_block(rows, subjects, found, limits, top, left)
        on_rows(min(_BLOCK, len(rows) - top))
    return found


def _add_block(
    rows: Float32,
    subjects: Codes,
    found: Sequence[FalseMatches],
    limits: NDArray[np.float32],
    top: int,
    left: int,
) -> None:
    scores = rows[top : top + _BLOCK] @ rows[left : left + _BLOCK].T
    a, b = np.divmod(np.flatnonzero(scores > limits.min()), scores.shape[1])
    hits = scores[a, b]
    a, b = a + top, b + left
    wanted = (a < b) & (subjects[a] != subjects[b])
    a, b, hits = a[wanted], b[wanted], hits[wanted]
    for number, limit in enumerate(limits):
        above = hits > limit
        one, other = a[above], b[above]
        for part in found:
            np.add.at(part.counts[number], (one, part.groups[other]), 1)
            np.add.at(part.counts[number], (other, part.groups[one]), 1)


def crossed_rates(
    found: FalseMatches, number: int, confidence: float = CONFIDENCE
) -> tuple[CrossedRate, ...]:
    """The FMR of every pair of groups at the threshold of that number."""
    return tuple(
        crossed_rate(found, number, one, other, confidence)
        for one in range(len(found.names))
        for other in range(one, len(found.names))
    )


def crossed_rate(
    found: FalseMatches, number: int, one: int, other: int, confidence: float = CONFIDENCE
) -> CrossedRate:
    errors, trials = np.zeros((2, len(found.groups)))
    for mine, theirs in {(one, other), (other, one)}:
        rows = found.groups == mine
        errors[rows] += found.counts[number, rows, theirs]
        trials[rows] += _others(found, rows, theirs)
    total, wrong = round(trials.sum() / 2), round(errors.sum() / 2)
    people = np.unique(found.subjects, return_inverse=True)[1]
    rate = None
    if total:
        sums = (np.bincount(people, one).astype(np.float64) for one in (errors, trials))
        errors_of, trials_of = sums
        took_part, pairs = trials_of > 0, _pairs(found, one, other)
        some = errors_of[took_part], trials_of[took_part]
        rate = clustered_rate(wrong, total, *some, pairs, confidence)
    return CrossedRate(found.names[one], found.names[other], total, wrong, rate)


def clustered_rate(
    errors: int,
    trials: int,
    errors_of: NDArray[np.float64],
    trials_of: NDArray[np.float64],
    independent: float,
    confidence: float = CONFIDENCE,
) -> Rate:
    """A rate of comparisons between people, from each person's share in errors and trials.

    It is never believed to rest on more than `independent` comparisons: distinct pairs of people.
    """
    rate, people = errors / trials, len(trials_of)
    effective = min(float(trials), independent)
    squares = ((errors_of - rate * trials_of) / trials) ** 2
    if squares.sum() > 0:
        variance = float(squares.sum()) * people / max(people - 1, 1)
        freedom = float(squares.sum() ** 2 / (squares**2).sum())
        carried = rate * (1 - rate) / variance * _few(freedom, confidence)
        effective = min(effective, carried)
    side = (1 + confidence) / 2
    counted = rate * effective
    return Rate(rate, lower_bound(counted, effective, side), upper_bound(counted, effective, side))


def _few(freedom: float, confidence: float) -> float:
    """What a variance takes off that rests on few people: (z/t)², with as many as carry it.

    Student's quantile from the normal one, by the first terms of Cornish and Fisher's expansion.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    more = (z**2 + 1) / (4 * freedom) + (5 * z**4 + 16 * z**2 + 3) / (96 * freedom**2)
    return (1 + more) ** -2


def _others(found: FalseMatches, rows: NDArray[np.bool_], group: int) -> NDArray[np.int64]:
    """With how many pictures of other people in `group` each of these pictures is compared."""
    members = found.groups == group
    people = np.unique(found.subjects, return_inverse=True)[1]
    own = np.bincount(people, members).astype(np.int64)
    counts: NDArray[np.int64] = members.sum() - own[people[rows]]
    return counts


def _pairs(found: FalseMatches, one: int, other: int) -> float:
    """Distinct pairs of people of the two groups, some of whom may be in both."""
    left, right = (set(found.subjects[found.groups == group].tolist()) for group in (one, other))
    both = len(left & right)
    return len(left) * len(right) - both - both * (both - 1) / 2
