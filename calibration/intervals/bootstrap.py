"""Resampling of subjects: what the counts would have been with other people.

Comparisons that share a person are not independent, so people are resampled, never comparisons.
A drawn subject takes all its images along; an impostor comparison of subjects a and b counts
(times a was drawn) x (times b was drawn): the two-level, or subject-pair, bootstrap.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.scores import Int32, PairScores

__all__ = ["Resampled", "Round", "resampled"]

ROUNDS = 500
_DENSE_SUBJECTS = 4096
_CELLS = 4_000_000
_EVENTS = 20_000

Weights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """A chunk of rounds: error rates at shared, descending thresholds (rounds x thresholds)."""

    fmr: Weights
    fnmr: Weights


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """How often each subject was drawn in each round, and how many comparisons that makes."""

    scores: PairScores
    weights: Weights
    impostors: NDArray[np.float64]

    def curves(self, errors: int) -> Iterator[Round]:
        """Both rates at the thresholds of the `errors` highest impostors (thinned when many)."""
        count = min(errors, len(self.scores.tail))
        stride = -(-count // _EVENTS)
        picked = len(self.scores.tail) - 1 - np.arange(0, count, stride)
        left, right = self._subjects_of_tail(picked)
        thresholds = self.scores.tail[picked]
        rejected = np.searchsorted(self.scores.genuine, thresholds, "right")
        subjects = self.scores.genuine_subjects
        chunk = max(1, _CELLS // max(len(picked), len(subjects), 1))
        for start in range(0, len(self.weights), chunk):
            weights = self.weights[start : start + chunk]
            events = np.cumsum(weights[:, left] * weights[:, right], axis=1)
            above = np.roll(events, 1, axis=1)
            above[:, 0] = 0  # strictly above the highest impostor there is none
            genuine = np.cumsum(weights[:, subjects], axis=1)
            genuine = np.pad(genuine, ((0, 0), (1, 0)))
            drawn = genuine[:, -1] > 0
            fmr = above[drawn] * stride / self.impostors[start : start + chunk][drawn, None]
            yield Round(
                fmr.astype(np.float32), genuine[drawn][:, rejected] / genuine[drawn][:, -1:]
            )

    def _subjects_of_tail(self, which: slice | NDArray[np.int64]) -> tuple[Int32, Int32]:
        pairs = self.scores.tail_pairs[which]
        return self.scores.gallery_subjects[pairs[:, 0]], self.scores.probe_subjects[pairs[:, 1]]


def resampled(scores: PairScores, *, rounds: int = ROUNDS, seed: int = 0) -> Resampled:
    """Draw as many subjects as there are, with replacement, `rounds` times."""
    subjects = scores.codes
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(subjects, np.full(subjects, 1 / subjects), size=rounds)
    weights = draws.astype(np.float32)
    totals = _impostor_totals(scores, weights)
    possible = totals > 0
    return Resampled(scores, weights[possible], totals[possible])


def _impostor_totals(scores: PairScores, weights: Weights) -> NDArray[np.float64]:
    """Impostor comparisons of every round."""
    if scores.cells is not None:
        left, right, counts = scores.cells.T
        return _pair_sums(weights, left, right, counts)
    codes = weights.shape[1]
    gallery = np.bincount(scores.gallery_subjects, minlength=codes).astype(np.float64)
    probe = np.bincount(scores.probe_subjects, minlength=codes).astype(np.float64)
    wide = weights.astype(np.float64)
    everything = (wide @ gallery) * (wide @ probe) - (wide * wide) @ (gallery * probe)
    return everything / 2 if scores.within else everything


def _pair_sums(
    weights: Weights,
    left: NDArray[np.integer],
    right: NDArray[np.integer],
    counts: NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Sum over pairs of weight[left] x weight[right] x count, for every round."""
    codes = weights.shape[1]
    if codes <= _DENSE_SUBJECTS:
        cells = left.astype(np.int64) * codes + right
        matrix = np.bincount(cells, counts, minlength=codes * codes).reshape(codes, codes)
        both = weights @ matrix.astype(np.float32)
        return np.asarray(np.einsum("bs,bs->b", both, weights, dtype=np.float64))
    total = np.zeros(len(weights))
    chunk = _CELLS // len(weights)
    for start in range(0, len(left), chunk):
        part = slice(start, start + chunk)
        product = weights[:, left[part]] * weights[:, right[part]]
        total += product.sum(axis=1) if counts is None else product @ counts[part]
    return total
