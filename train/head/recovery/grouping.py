"""Classes without names: what the teacher sees as one is one, and what is no face is left out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import unit_rows
from embedge.train.head.recovery.centres import class_centres, strays

__all__ = ["Grouping", "grouped"]

Rows = NDArray[np.float32]
Stored = NDArray[np.floating[Any]]

_BLOCK = 4096
# a network that recognises faces answers other pictures shortly: faces 27, at least 18, others 12,
# at most 17 (w600k_mbf). Of one that answers in one length nothing can be told
_SHORT = 0.75
# mirrored answers are averaged in where the teacher means the same by them
_MIRRORED = 0.8


@dataclass(frozen=True, slots=True)
class Grouping:
    """`rows` of the pictures that are learnt from, the class of each, and every class's centre."""

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    centres: Rows
    no_faces: int
    duplicates: int
    """pictures that share a class with an earlier one"""

    def summary(self) -> str:
        return (
            f"{len(self.rows)} pictures without names in {len(self.centres)} classes:"
            f" {self.duplicates} are like another one, {self.no_faces} that look like no face"
            " are left out"
        )


def grouped(plain: Stored, mirrored: Stored | None, alike: float) -> Grouping:
    """Pictures whose embeddings are at least so `alike`, straight or over others, are one class."""
    whole = np.asarray(plain, np.float32)
    shown = whole.any(1) if mirrored is None else whole.any(1) & mirrored.any(1)
    rows = np.flatnonzero(shown)
    rows = rows[~_no_faces(whole[rows])]
    units = unit_rows(whole[rows])
    labels = _components(units, alike)
    if mirrored is not None:
        others = unit_rows(np.asarray(mirrored[rows], np.float32))
        if (units * others).sum(1).mean() > _MIRRORED:
            units = unit_rows(units + others)
    count = int(labels.max()) + 1
    centres = class_centres(units, labels, count, trim=0)
    return Grouping(rows, labels, centres, len(whole) - len(rows), len(rows) - count)


def _no_faces(rows: Rows) -> NDArray[np.bool_]:
    lengths = np.linalg.norm(rows, axis=1)
    short: NDArray[np.bool_] = strays(lengths) & (lengths < _SHORT * np.median(lengths))
    return short


def _components(units: Rows, alike: float) -> NDArray[np.int64]:
    """Labels 0 … of what hangs together, in the order of first pictures."""
    root = np.arange(len(units))
    for low in range(0, len(units), _BLOCK):
        for left in range(low, len(units), _BLOCK):
            near = units[low : low + _BLOCK] @ units[left : left + _BLOCK].T >= alike
            for a, b in np.argwhere(near):
                if a + low < b + left:
                    _join(root, int(a) + low, int(b) + left)
    roots = np.array([_root_of(root, n) for n in range(len(units))])
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _join(root: NDArray[np.int64], a: int, b: int) -> None:
    one, other = sorted((_root_of(root, a), _root_of(root, b)))
    root[other] = one


def _root_of(root: NDArray[np.int64], n: int) -> int:
    while root[n] != n:
        root[n] = root[root[n]]
        n = int(root[n])
    return n
