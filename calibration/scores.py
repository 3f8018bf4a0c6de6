"""Comparison scores with everything needed to count errors and to say how sure the counts are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "EDGES", "Float32", "Int32", "PairScores", "score_histogram"]

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

BINS = 4096
EDGES = np.linspace(-1.0, 1.0, BINS + 1)
_STRETCH = 1 << 16
# Bins beyond ±1: embeddings may miss length one by a thousandth, their scores by two
_MARGIN = 16


@dataclass(frozen=True, slots=True, eq=False)
class PairScores:
    """Scores of genuine and impostor comparisons.

    Every genuine score is kept. Of the impostors the highest are kept exactly (`tail`, all of them
    when memory allows), the rest is counted in `body`, a histogram over `EDGES`. Both score arrays
    ascend. The pair arrays hold (gallery, probe) row numbers; the subject arrays translate those
    into subject codes 0…subjects-1. `cells` counts the impostor comparisons per subject pair as
    (subject, subject, count) for a list of pairs; it is None where every pair was compared.
    """

    genuine: Float32
    genuine_pairs: Int32
    tail: Float32
    tail_pairs: Int32
    body: NDArray[np.int64]
    gallery_subjects: Int32
    probe_subjects: Int32
    within: bool
    cells: NDArray[np.int64] | None = None

    @property
    def impostors(self) -> int:
        return len(self.tail) + int(self.body.sum())

    @property
    def exact(self) -> bool:
        """Whether every impostor score is held, not only counted."""
        return not self.body.any()

    @property
    def subjects(self) -> int:
        """How many subjects took part on either side."""
        return len(np.union1d(self.gallery_subjects, self.probe_subjects))

    @property
    def codes(self) -> int:
        """Length of an array indexed by subject code."""
        return 1 + max(
            int(self.gallery_subjects.max(initial=-1)), int(self.probe_subjects.max(initial=-1))
        )

    @property
    def genuine_subjects(self) -> Int32:
        return self.gallery_subjects[self.genuine_pairs[:, 0]]

    def impostors_above(self, threshold: float) -> int:
        """Impostor comparisons strictly above a threshold; below the tail to a bin's width."""
        held = len(self.tail) - int(np.searchsorted(self.tail, np.float32(threshold), "right"))
        if held < len(self.tail) or self.exact:
            return held
        first = int(np.searchsorted(EDGES, threshold, "right")) - 1
        return held + int(self.body[max(first, 0) :].sum())

    def impostor_histogram(self) -> NDArray[np.int64]:
        return self.body + score_histogram(self.tail)


def score_histogram(scores: Float32) -> NDArray[np.int64]:
    """Counts over `EDGES`; rounding beyond ±1 falls into the outer bins."""
    counts = np.zeros(BINS + 2 * _MARGIN, np.int64)
    flat = scores.reshape(-1)
    # stretches that stay in the processor's cache take half the time of whole arrays
    place = np.empty(min(len(flat), _STRETCH), np.float32)
    bins = np.empty(len(place), np.int64)
    for start in range(0, len(flat), _STRETCH):
        part = flat[start : start + _STRETCH]
        here, there = place[: len(part)], bins[: len(part)]
        np.multiply(part, np.float32(BINS / 2), out=here)
        np.add(here, np.float32(BINS / 2 + _MARGIN), out=here)
        np.copyto(there, here, casting="unsafe")
        counts += np.bincount(there, minlength=len(counts))
    inside = counts[_MARGIN:-_MARGIN].copy()
    inside[0] += counts[:_MARGIN].sum()
    inside[-1] += counts[-_MARGIN:].sum()
    return inside
