"""Paired embeddings of unlabelled pictures, and how they are split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pairs"]

Float32 = NDArray[np.float32]
FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Views (plain, mirrored) of the same pictures through both models; rows of length one."""

    old: Sequence[Float32]
    new: Sequence[Float32]
    seed: int = 0

    @property
    def pictures(self) -> int:
        return len(self.old[0])

    def folds(self) -> Iterator[NDArray[np.int64]]:
        """Every picture, all its views with it, in one fold."""
        order = np.random.default_rng(self.seed).permutation(self.pictures)
        for part in np.array_split(order, FOLDS):
            yield np.sort(part)

    def rows(self, index: NDArray[np.int64]) -> tuple[Float32, Float32]:
        """All views of some pictures, one after the other."""
        sides = ([view[index] for view in side] for side in (self.old, self.new))
        old, new = (np.concatenate(list(side)) for side in sides)
        return old, new
