"""Scores of queries against every template: one pass over one byte a dimension.

ONNX Runtime's integer matrix product does the pass, with the templates laid out once for it.
"""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.search.query_bytes import QueryBytes, Whole, query_bytes
from embedge.runtime.gallery.search.ranking import Scored, contenders
from embedge.runtime.gallery.search.segment import MIDDLE, Segment

__all__ = ["Int8Scan"]

_SEGMENT = 65536  # rows laid out together for good
_SHARED = 16384  # the fewest that another thread is woken for
_LOOSE = 2048  # the most rows that wait, as float32, to be laid out
_SMALL = 8  # the most segments that wait to become a large one

Codes = NDArray[np.int8]


class Int8Scan:
    """Grows by appending. Rows are held once: loose, in a small segment or in a large one."""

    def __init__(self, dim: int, threads: int = 1) -> None:
        self._dim = dim
        self._large: list[Segment] = []
        self._small: list[Segment] = []
        self._waiting: list[Codes] = []
        self._loose = np.empty((0, dim), np.float32)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def append(self, codes: Codes) -> None:
        """Rows wait until somebody searches, or until they fill a segment."""
        self._waiting.append(codes.copy())  # they may be a view of a file's bytes
        if self._unsettled >= _SEGMENT:
            self._fill_large()

    def best_rows(
        self, queries: Embeddings, wanted: int, rounding: float | None = None
    ) -> list[Scored]:
        """Every row that may be among a query's `wanted` best.

        Where the codes stand for finer templates, `rounding` is the most that they miss them by.
        """
        query = query_bytes(queries)
        found = []
        for number, scores in enumerate(self._products(query)):
            slack = 0.0 if rounding is None else 2 * (rounding + query.error(number))
            found.append(contenders(scores, query.step(number), wanted, slack))
        return found

    def _products(self, query: QueryBytes) -> Whole:
        """(queries, rows): whole numbers, exact."""
        self._settle()
        segments = [*self._large, *self._small]
        if len(segments) == 1 and not len(self._loose):
            return query.joined(segments[0].products(query.rows))
        ends = np.cumsum([segment.rows for segment in segments] + [len(self._loose)])
        found = np.empty((len(query.largest), ends[-1]), np.int32)

        def scan(share: Sequence[int]) -> None:
            for number in share:
                segment, end = segments[number], ends[number]
                products = query.joined(segment.products(query.rows))
                found[:, end - segment.rows : end] = products

        mine, *others = _shares(segments, self._threads)
        waiting = [self._pool.submit(scan, share) for share in others] if self._pool else []
        scan(mine)
        for each in waiting:
            each.result()
        if len(self._loose):
            # after the others: BLAS has threads of its own. Whole numbers below 2^24, which a
            # product of floats adds without rounding
            loose = (query.rows.astype(np.float32) - MIDDLE) @ self._loose.T
            found[:, ends[-1] - len(self._loose) :] = query.joined(loose.astype(np.int32))
        return found

    @property
    def _unsettled(self) -> int:
        settled: int = sum(segment.rows for segment in self._small)
        return settled + sum(map(len, self._waiting))

    def _fill_large(self) -> None:
        rows = _joined([*(segment.codes() for segment in self._small), *self._waiting], self._dim)
        self._small.clear()
        while len(rows) >= _SEGMENT:
            self._large.append(Segment(rows[:_SEGMENT]))
            rows = rows[_SEGMENT:]
        self._waiting = [rows.copy()]
        del rows
        _give_back_freed_memory()

    def _settle(self) -> None:
        """Lay out what waits, unless it is little; join small segments before they are many."""
        count = sum(map(len, self._waiting))
        if count > _LOOSE:
            self._small += self._laid_out(_joined(self._waiting, self._dim))
            self._waiting, count = [], 0
            _give_back_freed_memory()
        if len(self._small) > _SMALL * self._threads:
            rows = _joined([part.codes() for part in self._small], self._dim)
            self._small = self._laid_out(rows)
            _give_back_freed_memory()
        if count != len(self._loose):
            self._loose = _joined(self._waiting, self._dim).astype(np.float32)

    def _laid_out(self, rows: Codes) -> list[Segment]:
        """One segment for every thread, where there is enough to share."""
        parts = max(1, min(self._threads, len(rows) // _SHARED))
        return [Segment(part) for part in np.array_split(rows, parts)]

    def close(self) -> None:
        self._large.clear()
        self._small.clear()
        if self._pool:
            self._pool.shutdown()


def _joined(parts: Sequence[Codes], dim: int) -> Codes:
    return np.concatenate([np.empty((0, dim), np.int8), *parts])


def _shares(segments: Sequence[Segment], threads: int) -> list[list[int]]:
    """Segments for each thread: the largest first, to whoever has least."""
    shares: list[list[int]] = [[] for _ in range(max(1, min(threads, len(segments))))]
    rows = [0] * len(shares)
    for number in sorted(range(len(segments)), key=lambda number: -segments[number].rows):
        least = rows.index(min(rows))
        shares[least].append(number)
        rows[least] += segments[number].rows
    return shares


def _give_back_freed_memory() -> None:
    """Return freed pages to the system: glibc else keeps blocks of up to 32 MiB for good.

    Laying out a model leaves copies of it behind, three times its size. Other C libraries keep
    little and have no such call.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
