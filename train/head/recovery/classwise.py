"""Looking at embeddings a few whole classes at a time: nothing of their full size is ever held."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embedge.files import let_go
from embedge.runtime.encoders import unit_rows

__all__ = ["Classwise", "FirstLook", "SecondLook", "first_look", "second_look"]

Rows = NDArray[np.float32]
Side = NDArray[np.floating[Any]]

_BLOCK = 4096  # rows at a time, or one class where that has more
_FETCHED = 16  # rows, with each of which a kernel may map two megabytes of the file


@dataclass(frozen=True, slots=True)
class Classwise:
    """Embeddings of `sides` (plain, mirrored) in the order of their classes."""

    sides: Sequence[Side]
    order: NDArray[np.int64]
    labels: NDArray[np.int64]
    """in that order, and so is all that is told of single pictures"""
    classes: int

    @classmethod
    def of(cls, sides: Sequence[Side], labels: NDArray[np.int64], classes: int) -> Self:
        order = np.argsort(labels, kind="stable")
        return cls(sides, order, labels[order], classes)

    def blocks(self) -> Iterator["Block"]:
        ends = np.flatnonzero(np.diff(self.labels, append=-1)) + 1
        first = 0
        while first < len(self.order):
            many = int(np.searchsorted(ends, first + _BLOCK, side="right")) - 1
            one = int(np.searchsorted(ends, first, side="right"))
            last = int(ends[max(many, one)])
            yield Block(
                slice(first, last),
                np.flatnonzero(np.diff(self.labels[first:last], prepend=-1)),
                [_unit(side, self.order[first:last]) for side in self.sides],
            )
            first = last


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole classes: where their rows lie, where each class begins, and the unit rows."""

    rows: slice
    starts: NDArray[np.int64]
    sides: list[Rows]

    def both(self) -> Rows:
        """The directions between the sides."""
        return unit_rows(self.sides[0] + self.sides[1])

    def means(self, rows: Rows, keep: NDArray[np.bool_] | None = None) -> Rows:
        """Unit mean direction of each class, summed in double precision."""
        wide = rows.astype(np.float64)
        if keep is not None:
            wide[~keep] = 0.0
        return unit_rows(np.add.reduceat(wide, self.starts).astype(np.float32))

    def closeness(self, rows: Rows, means: Rows) -> Rows:
        """Each row's cosine to the mean of its class."""
        counts = np.diff(self.starts, append=len(rows))
        close: Rows = np.einsum("nd,nd->n", rows, np.repeat(means, counts, axis=0))
        return close


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Each picture's cosine to a first mean of its class, of its plain side and of both."""

    plain: Rows
    both: Rows
    mirrored: bool
    """whether a picture is as close to its mirror image as to its class"""


@dataclass(frozen=True, slots=True)
class SecondLook:
    centres: Rows
    distance: Rows
    """1 - cosine of each picture, kept or not, to the centre of its class"""


def first_look(seen: Classwise) -> FirstLook:
    """What decides which pictures are strays."""
    plain = np.empty(len(seen.order), np.float32)
    both, two = np.empty_like(plain), len(seen.sides) > 1
    to_mirror = to_class = 0.0
    for block in seen.blocks():
        rows = block.sides[0]
        plain[block.rows] = block.closeness(rows, block.means(rows))
        if two:
            joined = block.both()
            both[block.rows] = block.closeness(joined, block.means(joined))
            to_mirror += float(np.einsum("nd,nd->", rows, block.sides[1]))
            to_class += float(plain[block.rows].sum(dtype=np.float64))
    return FirstLook(plain, both, mirrored=two and to_mirror >= to_class)


def second_look(seen: Classwise, keep: NDArray[np.bool_], *, mirrored: bool) -> SecondLook:
    """Centres of those who are kept, and how far everybody is from theirs."""
    centres = np.zeros((seen.classes, seen.sides[0].shape[1]), np.float32)
    distance = np.empty(len(seen.order), np.float32)
    for block in seen.blocks():
        rows = block.both() if mirrored else block.sides[0]
        means = block.means(rows, keep[block.rows])
        centres[seen.labels[block.rows][block.starts]] = means
        distance[block.rows] = 1 - block.closeness(rows, means)
    return SecondLook(centres, distance)


def _unit(side: Side, index: NDArray[np.int64]) -> Rows:
    """Few at a time: with each row of a mapped file come many more, which are given back."""
    rows = np.empty((len(index), side.shape[1]), np.float32)
    for first in range(0, len(index), _FETCHED):
        rows[first : first + _FETCHED] = side[index[first : first + _FETCHED]]
        let_go(side)
    return unit_rows(rows)
