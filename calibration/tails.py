"""The highest impostor scores, exactly, out of more comparisons than memory could hold."""

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.scores import BINS, Float32, Int32, score_histogram

__all__ = ["TailCollector"]


class TailCollector:
    """Keeps the `limit` highest scores with their pairs and counts the others in a histogram."""

    def __init__(self, limit: int):
        self.limit = limit
        self.body = np.zeros(BINS, np.int64)
        self._floor = np.float32(-np.inf)
        self._held = 0
        self._scores: list[Float32] = []
        self._pairs: list[Int32] = []

    def add_block(
        self, scores: Float32, rows: Int32, columns: Int32, wanted: NDArray[np.bool_] | None = None
    ) -> None:
        """Take a block of scores; `wanted` marks its impostor comparisons (all, when None)."""
        kept = scores > self._floor
        if wanted is not None:
            kept &= wanted
        row, column = np.divmod(np.flatnonzero(kept), scores.shape[1])
        found = scores[row, column]
        if wanted is not None:
            self.body += score_histogram(scores[wanted & ~kept])
        elif len(found) < scores.size:
            self.body += score_histogram(scores) - score_histogram(found)
        self._hold(found, np.stack([rows[row], columns[column]], axis=1))

    def add_scores(self, scores: Float32, pairs: Int32) -> None:
        """Take impostor scores that come with their pairs."""
        kept = scores > self._floor
        self.body += score_histogram(scores[~kept])
        self._hold(scores[kept], pairs[kept])

    def _hold(self, scores: Float32, pairs: Int32) -> None:
        if not len(scores):
            return
        self._scores.append(scores)
        self._pairs.append(pairs)
        self._held += len(scores)
        if self._held > 2 * self.limit:
            self._prune()

    def _prune(self) -> None:
        scores, pairs = self._joined()
        if len(scores) > self.limit:
            order = np.argpartition(scores, len(scores) - self.limit)
            dropped, kept = np.split(order, [len(scores) - self.limit])
            self.body += score_histogram(scores[dropped])
            self._floor = scores[dropped].max()
            scores, pairs = scores[kept], pairs[kept]
        self._scores, self._pairs, self._held = [scores], [pairs], len(scores)

    def _joined(self) -> tuple[Float32, Int32]:
        if not self._scores:
            return np.empty(0, np.float32), np.empty((0, 2), np.int32)
        return np.concatenate(self._scores), np.concatenate(self._pairs)

    def sorted_tail(self) -> tuple[Float32, Int32]:
        """The held scores, ascending, with their pairs."""
        if self._held > self.limit:
            self._prune()
        scores, pairs = self._joined()
        order = np.argsort(scores, kind="stable")
        return scores[order], pairs[order]
