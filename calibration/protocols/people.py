"""Who is who, where a protocol only says which pairs are the same person."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["joined_people"]


def joined_people(count: int, same: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """A subject number per row: rows joined by a genuine pair, directly or not, share it."""
    parent = np.arange(count)
    for a, b in same:
        roots = []
        for node in (a, b):
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = int(parent[node])
            roots.append(node)
        parent[max(roots)] = min(roots)
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent.astype(np.int64)
