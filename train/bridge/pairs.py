"""Paired embeddings of unlabelled pictures, and how they are split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.people.alike import alike
from embedge.errors import EmbedgeError

__all__ = ["Pairs"]

Float32 = NDArray[np.float32]
FOLDS = 5
_FEWEST = 10 * FOLDS


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Views (plain, mirrored) of the same pictures through both models; rows of length one.

    `faces` has for each picture the first that shows the same face, as far as both models tell.
    """

    old: Sequence[Float32]
    new: Sequence[Float32]
    seed: int = 0
    faces: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", alike(self.old[0], self.new[0]))

    @property
    def pictures(self) -> int:
        return len(self.old[0])

    def folds(self) -> Iterator[NDArray[np.int64]]:
        """Every picture, with all its views and all other pictures of its face, in one fold."""
        _, face, sizes = np.unique(self.faces, return_inverse=True, return_counts=True)
        if len(sizes) < _FEWEST:
            raise EmbedgeError(
                "E-BRIDGE-PAIRS",
                f"{self.pictures} pictures show about {len(sizes)} faces, and a map takes"
                f" {_FEWEST}",
                remedy="Give both models pictures of different people, some thousand",
            )
        order = np.random.default_rng(self.seed).permutation(len(sizes))
        before = np.cumsum(sizes[order]) - sizes[order]
        fold = np.empty(len(sizes), np.int64)
        fold[order] = before * FOLDS // self.pictures
        for part in range(FOLDS):
            yield np.flatnonzero(fold[face] == part)

    def rows(self, index: NDArray[np.int64]) -> tuple[Float32, Float32]:
        """All views of some pictures, one after the other."""
        sides = ([view[index] for view in side] for side in (self.old, self.new))
        old, new = (np.concatenate(list(side)) for side in sides)
        return old, new
