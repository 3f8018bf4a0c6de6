"""Scores of queries against every template: one pass over one byte a dimension.

ONNX Runtime's integer matrix product does the pass, with the templates laid out once for it.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.int8 import float_from_int8, int8_scale
from embedge.runtime.gallery.matmul_graph import matmul_graph
from embedge.runtime.sessions import ort_session

__all__ = ["Int8Scan"]

_SEGMENT = 65536  # rows laid out together for good
_LOOSE = 2048  # the most rows that wait, as float32, to be laid out


class Int8Scan:
    """Grows by appending. Full segments are kept once, as ONNX Runtime lays them out; the open
    one (at most 65,536 rows) also as plain rows, from which it is laid out again as it grows.
    """

    def __init__(self, dim: int, threads: int = 1) -> None:
        self._dim = dim
        self._full: list[Any] = []
        self._open = np.empty((0, dim), np.int8)
        self._open_segment: Any = None
        self._laid_out = 0
        self._loose = np.empty((0, dim), np.float32)
        self._waiting: list[NDArray[np.int8]] = []
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def append(self, codes: NDArray[np.int8]) -> None:
        """Rows wait until somebody searches, or until they fill a segment."""
        self._waiting.append(codes)
        if len(self._open) + sum(map(len, self._waiting)) >= _SEGMENT:
            self._gather()

    def scores(self, queries: Embeddings) -> Embeddings:
        """(queries, rows): cosines with the quantised templates, to within `error`."""
        if self._waiting:
            self._gather()
        if self._laid_out + len(self._loose) != len(self._open):
            self._lay_out_open()
        written, steps = _two_bytes(queries)
        scale = np.float32(1 / int8_scale(self._dim)) / steps
        segments = [*self._full, *([self._open_segment] if self._open_segment else [])]
        each = self._pool.map if self._pool else map
        parts = list(each(lambda segment: _segment_scores(segment, written, scale), segments))
        if len(self._loose) or not parts:
            parts.append(queries @ self._loose.T)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _gather(self) -> None:
        rows = np.concatenate([self._open, *self._waiting])
        self._waiting.clear()
        while len(rows) >= _SEGMENT:
            self._full.append(_laid_out(rows[:_SEGMENT]))
            rows = rows[_SEGMENT:]
            self._open_segment, self._laid_out = None, 0
            self._loose = self._loose[:0]
        self._open = rows.copy()

    def _lay_out_open(self) -> None:
        if len(self._open) - self._laid_out > _LOOSE:
            self._open_segment = _laid_out(self._open)
            self._laid_out = len(self._open)
        self._loose = float_from_int8(self._open[self._laid_out :])

    @staticmethod
    def error(queries: Embeddings) -> float:
        """The most a score misses the query's exact cosine with the quantised template."""
        largest = float(np.abs(queries).max(initial=0))
        return float(np.sqrt(queries.shape[1])) * largest * 0.5 / 127 / 254 + 1e-6

    def close(self) -> None:
        self._full.clear()
        self._open_segment = None
        if self._pool:
            self._pool.shutdown()


def _laid_out(codes: NDArray[np.int8]) -> Any:
    return ort_session(matmul_graph(codes), threads=1)


def _two_bytes(queries: Embeddings) -> tuple[NDArray[np.uint8], Embeddings]:
    """Each query as a coarse row and a row of what that leaves over, 254 times finer."""
    steps = 127 / np.maximum(np.abs(queries).max(axis=1, keepdims=True), np.float32(1e-6))
    coarse = np.rint(queries * steps)
    fine = np.rint((queries * steps - coarse) * 254)
    rows = np.concatenate([coarse, fine]) + 128
    return rows.astype(np.uint8), steps.astype(np.float32)


def _segment_scores(segment: Any, written: NDArray[np.uint8], scale: Embeddings) -> Embeddings:
    (products,) = segment.run(["scores"], {"queries": written})
    count = len(written) // 2
    scores: Embeddings = products[count:].astype(np.float32)
    scores *= np.float32(1 / 254)
    scores += products[:count]
    scores *= scale
    return scores
