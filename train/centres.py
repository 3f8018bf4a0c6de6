"""Class centres from embeddings: the head of a teacher that came without one."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["class_centres", "unit"]


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def class_centres(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], classes: int, trim: float = 0.1
) -> NDArray[np.float32]:
    """Unit mean direction of every class, without the `trim` share farthest from a first mean."""
    rows = unit(embeddings)
    first = _means(rows, labels, classes)
    closeness = (rows * first[labels]).sum(axis=1)
    keep = _closest(closeness, labels, trim)
    return _means(rows[keep], labels[keep], classes)


def _means(
    rows: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> NDArray[np.float32]:
    sums = np.zeros((classes, rows.shape[1]), np.float32)
    np.add.at(sums, labels, rows)
    return unit(sums)


def _closest(
    closeness: NDArray[np.float32], labels: NDArray[np.int64], trim: float
) -> NDArray[np.bool_]:
    """All but the farthest `trim` of each class; at least one stays."""
    order = np.lexsort((-closeness, labels))
    counts = np.bincount(labels)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    kept = np.maximum(1, np.ceil(counts * (1 - trim)).astype(np.int64))
    return rank < kept[labels]
