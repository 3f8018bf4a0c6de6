"""How many faces of different people there are among unlabelled ones that two models have seen.

Two pictures count as one face where both models find them more alike than any two of so many
strangers would be by chance. It is no list of people: look-alikes of a crowd count as one too, and
a picture that a model hardly recognises counts for itself.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.scores import Float32
from embedge.runtime.encoders import unit_rows

__all__ = ["OFF_CENTRE", "alike", "copies_in", "drawn", "found_own", "middled"]

OFF_CENTRE = 0.6  # faces of all kinds lie 0.1 to 0.4 from the origin of a recogniser
_BLOCK = 512
_PICTURES = 3000
_SAMPLE = 1000
_COPY = 0.9995  # a byte a dimension rounds less, and no second picture is so near
_ONE = 0.999999
_SPREAD = 1.4826  # of a normal distribution, in median deviations: people's own pairs are rare


def alike(old: Float32, new: Float32) -> NDArray[np.int64]:
    """Row i of both is one picture; returns for each the first picture of its face.

    Each is held against the first of a face only, so no chain of look-alikes grows.
    """
    count = len(old)
    spreads = NormalDist().inv_cdf(1 - 2 / max(count, 2) ** 2)  # not one of as many pairs is above
    sides = [(rows, _limit(rows, spreads)) for rows in map(middled, (old, new))]
    found = np.full(count, -1, np.int64)
    for start in range(0, count, _BLOCK):
        firsts = start + np.flatnonzero(found[start : start + _BLOCK] < 0)
        near = np.logical_and(*(rows[firsts] @ rows.T > bound for rows, bound in sides))
        for first, row in zip(firsts.tolist(), near, strict=True):
            if found[first] < 0:
                row[first] = True
                found[row & (found < 0)] = first
    return found


def found_own(rows: Float32, known: Float32, faces: NDArray[np.int64]) -> float:
    """How many rows are nearest to the known one of their own picture, or another of its face."""
    some = drawn(len(rows))
    nearest = some[(rows[some] @ known[some].T).argmax(axis=1)]
    return float((faces[nearest] == faces[some]).mean())


def drawn(count: int) -> NDArray[np.int64]:
    """At most so many, and not the first: files are often sorted by what is on them."""
    return np.sort(np.random.default_rng(0).permutation(count)[:_PICTURES])


def copies_in(rows: Float32, known: Float32) -> NDArray[np.bool_]:
    """Which rows are one of the known ones, but for rounding."""
    rows, known = middled(rows, known), middled(known)
    parts = np.array_split(rows, len(rows) // _BLOCK + 1)
    return np.concatenate([(part @ known.T > _COPY).any(axis=1) for part in parts])


def middled(rows: Float32, around: Float32 | None = None) -> Float32:
    """Seen from the middle of all, where an embedding's own origin may be far away."""
    return unit_rows(rows - (rows if around is None else around).mean(axis=0))


def _limit(rows: Float32, spreads: float) -> float:
    """The cosine that is so many `spreads` above that of two strangers, by Fisher's transform."""
    some = rows[np.random.default_rng(0).permutation(len(rows))[:_SAMPLE]]
    scores = np.arctanh(np.clip((some @ some.T)[np.triu_indices(len(some), 1)], -_ONE, _ONE))
    middle = float(np.median(scores))
    spread = _SPREAD * float(np.median(np.abs(scores - middle)))
    return float(np.tanh(middle + spreads * spread))
