"""The same picture enrolled twice gives the same template, but for the last digits."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import lengths_of
from embedge.runtime.gallery.search.int8 import Matrix, int8_from_float

__all__ = ["Marks", "first_like", "marks_of", "shared_marks"]

Marks = NDArray[np.uint64]

_OFF = 1e-5  # a batch of another size, a product summed in another order
_QUARTERS = 4


def first_like(rows: Matrix) -> list[int]:
    """For each row the first one that is the same; its own number where none is."""
    exact, dim = rows.astype(np.float32), rows.shape[1]
    # of a byte a dimension, a few may have been rounded the other way
    off = float(np.sqrt(dim / 50)) if rows.dtype == np.int8 else _OFF
    shadow = exact @ (np.random.default_rng(0).normal(size=dim) / np.sqrt(dim)).astype(np.float32)
    reach = 4 * off  # a shadow is no longer than this many times the difference that casts it
    order = np.argsort(shadow, kind="stable")
    ends = np.searchsorted(shadow[order], shadow[order] + reach, side="right")
    first = list(range(len(rows)))
    for start, end in enumerate(ends):
        if end - start < 2:
            continue
        near = order[start + 1 : end]
        same = lengths_of(exact[near] - exact[order[start]]) <= off
        for row in near[same].tolist():
            oldest = min(first[row], first[int(order[start])])
            first[row] = first[int(order[start])] = oldest
    return [first[first[row]] for row in first]


def marks_of(rows: Matrix) -> Marks:
    """(N, 4), of each quarter: rows that differ in the last digits only have one in common."""
    exact = rows.astype(np.float32, copy=False)
    codes = (rows if rows.dtype == np.int8 else int8_from_float(exact)).astype(np.uint64)
    weights = np.random.default_rng(0).integers(1, 1 << 64, codes.shape[1], np.uint64)
    quarters = np.array_split(np.arange(len(weights)), _QUARTERS)
    return np.stack([codes[:, each] @ weights[each] for each in quarters], axis=1)


def shared_marks(parts: Iterable[tuple[Sequence[str], Matrix]]) -> Marks:
    """Those of rows that more than one person has, of names and the rows of each."""
    number, owners, found = dict[str, int](), list[int](), [np.empty((0, _QUARTERS), np.uint64)]
    for names, rows in parts:
        owners += [number.setdefault(name, len(number)) for name in names]
        found.append(marks_of(rows))
    marks, whose = np.concatenate(found).ravel(), np.repeat(owners, _QUARTERS)
    order = np.lexsort((whose, marks))
    marks, whose = marks[order], whose[order]
    shared = (marks[1:] == marks[:-1]) & (whose[1:] != whose[:-1])
    return np.unique(marks[1:][shared])
