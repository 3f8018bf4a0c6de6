"""What happens while people are enrolled again one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.figures import BackfillPoint
from embedge.calibration.compatibility.shares import accept_rate
from embedge.calibration.compatibility.systems import People, SystemAtWork
from embedge.calibration.evaluation.judge import Subject
from embedge.calibration.scores import Float32

__all__ = ["SHARES", "backfill_curve"]

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_ROWS = 1024


def backfill_curve(
    old: Subject,
    new: Subject,
    people: People,
    cross: SystemAtWork,
    alone: SystemAtWork,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> tuple[BackfillPoint, ...]:
    """Templates of either model, each with the threshold that belongs to it.

    People are enrolled again in one random order, so that a larger share holds the smaller ones.
    """
    names, codes = np.unique(people.tested, return_inverse=True)
    place = np.empty(len(names), np.int64)
    place[np.random.default_rng(seed).permutation(len(names))] = np.arange(len(names))
    owners = codes[people.genuine()[0]]
    enrolled = old.rows[people.judged], new.rows[people.judged]
    limits = cross.system.threshold.value, alone.system.threshold.value
    matches = [_false_matches(one, enrolled[1], codes, at) for one, at in zip(enrolled, limits)]
    searches = _Searches.of(*enrolled, codes)
    points = []
    for share in shares:
        again = place < round(share * len(names))
        false = int(np.where(again, matches[1], matches[0]).sum())
        points.append(
            BackfillPoint(
                share,
                int(again.sum()),
                accept_rate(owners, np.where(again[owners], alone.accepts, cross.accepts)),
                false / cross.system.impostor,
                accept_rate(searches.whose, searches.first(again)),
            )
        )
    return tuple(points)


def _false_matches(
    gallery: Float32, probe: Float32, codes: NDArray[np.int64], limit: float
) -> NDArray[np.int64]:
    """How often each person's templates match somebody else's probe."""
    counts = np.zeros(len(codes), np.int64)
    for start in range(0, len(gallery), _ROWS):
        rows = slice(start, start + _ROWS)
        above = gallery[rows] @ probe.T > np.float32(limit)
        counts[rows] = (above & (codes[rows, None] != codes)).sum(axis=1)
    return np.bincount(codes, counts).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Searches:
    """Everybody's first picture enrolled, every other picture searched for.

    `kept` and `again` score each probe with the template of either model, a column a person.
    """

    whose: NDArray[np.int64]
    kept: Float32
    again: Float32

    @classmethod
    def of(cls, old: Float32, new: Float32, codes: NDArray[np.int64]) -> "_Searches":
        _, first = np.unique(codes, return_index=True)
        probes = np.setdiff1d(np.arange(len(codes)), first)
        return cls(codes[probes], new[probes] @ old[first].T, new[probes] @ new[first].T)

    def first(self, again: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether each search finds its own person before everybody else."""
        scores = np.where(again, self.again, self.kept)
        rows = np.arange(len(scores))
        mate = scores[rows, self.whose]
        scores[rows, self.whose] = -np.inf
        found: NDArray[np.bool_] = mate > scores.max(axis=1)
        return found
