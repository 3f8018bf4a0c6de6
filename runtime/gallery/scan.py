"""Scores of queries against every template: one pass over one byte a dimension.

ONNX Runtime's integer matrix product does the pass, with the templates laid out once for it.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.int8 import float_from_int8, int8_scale
from embedge.runtime.gallery.segment import HIGH, MIDDLE, Segment
from embedge.runtime.memory import give_back_freed_memory

__all__ = ["Int8Scan"]

_SEGMENT = 65536  # rows laid out together for good
_LOOSE = 2048  # the most rows that wait, as float32, to be laid out
_SMALL = 8  # the most segments that wait to become a large one
_FINER = 2 * HIGH

Codes = NDArray[np.int8]


class Int8Scan:
    """Grows by appending. Rows are held once: loose, in a small segment or in a large one."""

    def __init__(self, dim: int, threads: int = 1) -> None:
        self._dim = dim
        self._large: list[Segment] = []
        self._small: list[Segment] = []
        self._waiting: list[Codes] = []
        self._loose = np.empty((0, dim), np.float32)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def append(self, codes: Codes) -> None:
        """Rows wait until somebody searches, or until they fill a segment."""
        self._waiting.append(codes.copy())  # they may be a view of a file's bytes
        if self._unsettled >= _SEGMENT:
            self._fill_large()

    def scores(self, queries: Embeddings) -> Embeddings:
        """(queries, rows): cosines with the quantised templates, to within `error`."""
        self._settle()
        written, steps = _two_bytes(queries)
        scale = np.float32(1 / int8_scale(self._dim)) / steps
        segments = [*self._large, *self._small]
        each = self._pool.map if self._pool and len(segments) > 1 else map
        parts = list(each(lambda segment: _segment_scores(segment, written, scale), segments))
        if len(self._loose) or not parts:
            parts.append(queries @ self._loose.T)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    @property
    def _unsettled(self) -> int:
        return sum(segment.rows for segment in self._small) + sum(map(len, self._waiting))

    def _fill_large(self) -> None:
        rows = _joined([*(segment.codes() for segment in self._small), *self._waiting], self._dim)
        self._small.clear()
        while len(rows) >= _SEGMENT:
            self._large.append(Segment(rows[:_SEGMENT]))
            rows = rows[_SEGMENT:]
        self._waiting = [rows.copy()]
        del rows
        give_back_freed_memory()

    def _settle(self) -> None:
        """Lay out what waits, unless it is little; join small segments before they are many."""
        count = sum(map(len, self._waiting))
        if count > _LOOSE:
            self._small.append(Segment(_joined(self._waiting, self._dim)))
            self._waiting, count = [], 0
            give_back_freed_memory()
        if len(self._small) > _SMALL:
            self._small = [Segment(_joined([part.codes() for part in self._small], self._dim))]
            give_back_freed_memory()
        if count != len(self._loose):
            self._loose = float_from_int8(_joined(self._waiting, self._dim))

    @staticmethod
    def error(queries: Embeddings) -> float:
        """The most a score misses the query's exact cosine with the quantised template."""
        largest = float(np.abs(queries).max(initial=0))
        return float(np.sqrt(queries.shape[1])) * largest * 0.5 / HIGH / _FINER + 1e-6

    def close(self) -> None:
        self._large.clear()
        self._small.clear()
        if self._pool:
            self._pool.shutdown()


def _joined(parts: Sequence[Codes], dim: int) -> Codes:
    return np.concatenate([np.empty((0, dim), np.int8), *parts])


def _two_bytes(queries: Embeddings) -> tuple[NDArray[np.uint8], Embeddings]:
    """Each query as a coarse row and a row of what that leaves over, `_FINER` times finer."""
    steps = HIGH / np.maximum(np.abs(queries).max(axis=1, keepdims=True), np.float32(1e-6))
    coarse = np.rint(queries * steps)
    fine = np.rint((queries * steps - coarse) * _FINER)
    rows = np.concatenate([coarse, fine]) + MIDDLE
    return rows.astype(np.uint8), steps.astype(np.float32)


def _segment_scores(segment: Segment, written: NDArray[np.uint8], scale: Embeddings) -> Embeddings:
    products = segment.products(written)
    count = len(written) // 2
    # in whole numbers, which is several times faster than mixed: rows of length one stay far below
    # 2^31 up to some thousand dimensions
    together = products[:count]
    together *= _FINER
    together += products[count:]
    scores: Embeddings = together.astype(np.float32)
    scores *= scale / np.float32(_FINER)
    return scores
