"""What a detector's head proposes, and the suppression of proposals that overlap."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.picture.detect import Face

__all__ = ["Candidates", "grid", "suppressed"]

Matrix = NDArray[np.float32]
_MOST = 2000  # a crowd of 500 with four proposals each
_FARTHEST = 1e6  # pixels; NaN is not below it either


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes (N, 4), scores (N,) and, where there are any, landmarks (N, 5, 2); in pixels."""

    boxes: Matrix
    scores: Matrix
    landmarks: Matrix | None

    def above(self, score: float) -> Self:
        """Those that are scored high enough and lie anywhere near a picture."""
        keep = (self.scores >= score) & (np.abs(self.boxes) < _FARTHEST).all(axis=1)
        if self.landmarks is not None:
            keep &= (np.abs(self.landmarks) < _FARTHEST).all(axis=(1, 2))
        return self.take(np.flatnonzero(keep))

    def best(self, count: int) -> Self:
        """The `count` highest scores, best first; equal ones in their order."""
        return self.take(np.argsort(-self.scores, kind="stable")[:count])

    def take(self, rows: NDArray[np.intp]) -> Self:
        points = None if self.landmarks is None else self.landmarks[rows]
        return type(self)(self.boxes[rows], self.scores[rows], points)

    def scaled(self, factor: float) -> Self:
        points = None if self.landmarks is None else self.landmarks * np.float32(factor)
        return type(self)(self.boxes * np.float32(factor), self.scores, points)

    def faces(self) -> list[Face]:
        return [self._face(row) for row in range(len(self.scores))]

    def _face(self, row: int) -> Face:
        left, top, right, bottom = map(float, self.boxes[row])
        points = None if self.landmarks is None else self.landmarks[row].astype(np.float32)
        return Face((left, top, right, bottom), float(self.scores[row]), points)

    @classmethod
    def joined(cls, parts: list["Candidates"]) -> "Candidates":
        points = [part.landmarks for part in parts if part.landmarks is not None]
        return Candidates(
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate(points) if len(points) == len(parts) else None,
        )


def grid(height: int, width: int, stride: int, anchors: int) -> Matrix:
    """The (x, y) of every cell's origin in pixels, row by row, each repeated for its anchors."""
    y, x = np.mgrid[: height // stride, : width // stride]
    cells = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32) * stride
    return np.repeat(cells, anchors, axis=0)


def suppressed(candidates: Candidates, overlap: float) -> Candidates:
    """Greedy non-maximum suppression: best first, each discards those it overlaps too much.

    Its time grows with the square of what it is given, so only the best `_MOST` are looked at.
    """
    sorted_out = candidates.best(_MOST)
    boxes = sorted_out.boxes.astype(np.float64)
    kept: list[int] = []
    alive = np.arange(len(boxes))
    while alive.size:
        best, rest = alive[0], alive[1:]
        kept.append(int(best))
        alive = rest[_overlaps(boxes[best], boxes[rest]) <= overlap]
    return sorted_out.take(np.array(kept, dtype=np.intp))


def _overlaps(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union; boxes count their last pixel, as in the reference detectors."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(0.0, high - low + 1), axis=1)
    area = np.prod(box[2:] - box[:2] + 1)
    areas = np.prod(others[:, 2:] - others[:, :2] + 1, axis=1)
    union: NDArray[np.float64] = area + areas - common
    share: NDArray[np.float64] = common / np.where(union > 0, union, np.inf)
    return share
