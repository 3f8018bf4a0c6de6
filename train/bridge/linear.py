"""Regressions from one embedding space to another in closed form, from sums over pictures.

The sums of a part of the pictures are taken off those of all, so cross-validation costs one
factorisation a fold and never a second look at the rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Affine", "Moments", "averaged", "orthogonal", "ridge", "summed"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`rows @ matrix.T + offset`."""

    matrix: Float64
    offset: Float64

    def __call__(self, rows: Float32) -> Float32:
        mapped: Float32 = rows @ self.matrix.T.astype(np.float32) + self.offset.astype(np.float32)
        return mapped


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over pairs of rows: how many, of each side, and of their products."""

    count: int
    old: Float64
    new: Float64
    old_old: Float64
    old_new: Float64

    @classmethod
    def of(cls, old: Float32, new: Float32) -> Self:
        """Products in single precision: the rows are short, and their sums are regularised."""
        sums = (side.sum(0, dtype=np.float64) for side in (old, new))
        products = (np.asarray(old.T @ side, np.float64) for side in (old, new))
        return cls(len(old), *sums, *products)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(*(getattr(self, f) - getattr(other, f) for f in self.__slots__))

    def centred(self) -> tuple[Float64, Float64, Float64, Float64]:
        """Both means, the covariance of the old rows, and the covariance between both."""
        old, new = self.old / self.count, self.new / self.count
        covariance = self.old_old / self.count - np.outer(old, old)
        return old, new, covariance, self.old_new / self.count - np.outer(old, new)


def summed(parts: Iterable[Moments]) -> Moments:
    return reduce(Moments.__add__, parts)


def orthogonal(moments: Moments) -> Affine:
    """The rotation (a part of one where dimensions differ) that fits best: Procrustes, unscaled."""
    left, _, right = np.linalg.svd(moments.old_new / moments.count, full_matrices=False)
    turn: Float64 = (left @ right).T
    return Affine(turn, np.zeros(len(moments.new)))


def ridge(moments: Moments, penalty: Float64) -> Affine:
    """Least squares with a free offset; `penalty` is a matrix, per row."""
    old, new, covariance, between = moments.centred()
    weights: Float64 = np.asarray(np.linalg.solve(covariance + penalty, between), np.float64)
    return Affine(weights.T, new - old @ weights)


def averaged(maps: Sequence[Affine]) -> Affine:
    matrix: Float64 = sum((each.matrix for each in maps), np.zeros(1)) / len(maps)
    offset: Float64 = sum((each.offset for each in maps), np.zeros(1)) / len(maps)
    return Affine(matrix, offset)
