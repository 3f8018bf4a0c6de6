"""The scan on faiss's signed-byte index (extra `faiss`): the same answers, to the last bit.

faiss scores with a query's coarse bytes and names the best rows. Whoever could still win with the
fine bytes is scored again in the same whole numbers as the built-in scan's.
"""

import math

import numpy as np
from numpy.typing import NDArray

from embedge.optional import require
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.search.int8 import int8_scale
from embedge.runtime.gallery.search.query_bytes import FINER, QueryBytes, query_bytes
from embedge.runtime.gallery.search.ranking import Scored, contenders
from embedge.runtime.gallery.search.segment import MIDDLE

__all__ = ["FaissScan"]

_MORE = 64  # rows asked for beyond the wanted ones; asked again for more where too few
_ADDED = 8192  # rows handed over together: faiss takes them as float32
_LONGEST = 1.02  # what rounding makes of a row of length one, at most


class FaissScan:
    """Grows by appending; every row is held once, by faiss."""

    def __init__(self, dim: int, threads: int = 1) -> None:
        self._faiss = require("faiss", extra="faiss")
        kind = self._faiss.ScalarQuantizer.QT_8bit_direct_signed
        metric = self._faiss.METRIC_INNER_PRODUCT
        self._index = self._faiss.IndexScalarQuantizer(dim, kind, metric)
        self._dim, self._threads = dim, threads

    def append(self, codes: NDArray[np.int8]) -> None:
        for start in range(0, len(codes), _ADDED):
            self._index.add(codes[start : start + _ADDED].astype(np.float32))

    def best_rows(
        self, queries: Embeddings, wanted: int, rounding: float | None = None
    ) -> list[Scored]:
        """Every row that may be among a query's `wanted` best, as `Int8Scan.best_rows`."""
        query = query_bytes(queries)
        centred = query.rows.astype(np.float32) - MIDDLE
        coarse, fine = np.split(centred, 2)
        asked = min(self._index.ntotal, wanted + _MORE)
        found = []
        for number, (scores, rows) in enumerate(zip(*self._nearest(coarse, asked))):
            slack = 0.0 if rounding is None else 2 * (rounding + query.error(number))
            # what the fine bytes can change, and what the caller allows, in coarse whole numbers
            off = float(np.linalg.norm(fine[number])) * _LONGEST * int8_scale(self._dim)
            span = math.ceil((2 * off + slack / query.step(number)) / FINER)
            while len(rows) < self._index.ntotal and scores[-1] >= scores[wanted - 1] - span:
                more = min(self._index.ntotal, 4 * len(rows))
                (scores,), (rows,) = self._nearest(coarse[number : number + 1], more)
            least = scores[min(wanted, len(rows)) - 1] - span
            near = np.sort(rows[scores >= least])
            found.append(self._scored(query, centred, number, near, wanted, slack))
        return found

    def _scored(
        self,
        query: QueryBytes,
        centred: Embeddings,
        number: int,
        near: NDArray[np.intp],
        wanted: int,
        slack: float,
    ) -> Scored:
        # whole numbers below 2^24, which a product of floats adds without rounding
        pair = centred[[number, number + len(centred) // 2]]
        products = (pair @ self._index.reconstruct_batch(near).T).astype(np.int32)
        (whole,) = query.joined(products)
        places, cosines = contenders(whole, query.step(number), wanted, slack)
        return near[places], cosines

    def _nearest(self, coarse: Embeddings, count: int) -> tuple[Embeddings, NDArray[np.intp]]:
        """Scores and rows, best first. faiss's threads are the process's: put back afterwards."""
        before = self._faiss.omp_get_max_threads()
        self._faiss.omp_set_num_threads(self._threads)
        try:
            scores, rows = self._index.search(coarse, count)
        finally:
            self._faiss.omp_set_num_threads(before)
        return scores, rows

    def close(self) -> None:
        self._index.reset()
