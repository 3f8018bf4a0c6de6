"""Templates of many pictures and videos: mean within a medium, sum over media, length one."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.embed import Chunk
from embedge.calibration.scores import Float32

__all__ = ["templates_from_chunks"]


def templates_from_chunks(
    chunks: Iterable[Chunk],
    weights: Float32,
    templates: NDArray[np.int64],
    media: NDArray[np.int64],
    dim: int,
) -> tuple[Float32, NDArray[np.bool_]]:
    """Rows per template number 0…max, and which of them exist.

    Faces are sorted by (template, medium), so only the medium that a chunk breaks off in is
    carried along.
    """
    totals = np.zeros((int(templates.max(initial=-1)) + 1, dim), np.float64)
    running = _Medium(dim)
    for chunk in chunks:
        faces = chunk.faces
        weighted = chunk.rows * weights[faces, None]
        for start, stop in _stretches(templates[faces], media[faces]):
            key = (int(templates[faces[start]]), int(media[faces[start]]))
            if key != running.key:
                running.close_into(totals)
                running = _Medium(dim, key)
            running.total += weighted[start:stop].sum(axis=0)
            running.faces += stop - start
    running.close_into(totals)
    lengths = np.linalg.norm(totals, axis=1)
    exists = lengths > 0
    totals[exists] /= lengths[exists, None]
    return totals.astype(np.float32), exists


class _Medium:
    """The sum over the faces of one medium so far."""

    __slots__ = ("faces", "key", "total")

    def __init__(self, dim: int, key: tuple[int, int] | None = None):
        self.key = key
        self.total = np.zeros(dim)
        self.faces = 0

    def close_into(self, totals: NDArray[np.float64]) -> None:
        if self.key is not None and self.faces:
            totals[self.key[0]] += self.total / self.faces


def _stretches(templates: NDArray[np.int64], media: NDArray[np.int64]) -> Iterable[tuple[int, int]]:
    """Where one template and medium lasts."""
    if not len(templates):
        return []
    breaks = np.flatnonzero((np.diff(templates) != 0) | (np.diff(media) != 0)) + 1
    edges = [0, *breaks.tolist(), len(templates)]
    return pairwise(edges)
