"""Class centres from embeddings: the head of a teacher that came without one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.train.head.recovery.classwise import (
    Classwise,
    SecondLook,
    first_look,
    second_look,
)

__all__ = ["TRIM", "CentreReport", "class_centres", "recovered_centres", "strays"]

Rows = NDArray[np.float32]

# at most this share of a class may be strays
TRIM = 0.1
_ALIKE = 0.7
_FAR = 4.0
_NAMED = 20
_BLOCK = 2048


def class_centres(
    embeddings: NDArray[np.floating[Any]], labels: NDArray[np.int64], classes: int, trim: float
) -> Rows:
    """Unit mean direction of every class, without strays: at most the `trim` share of a class.

    A stray is far from a first mean as pictures of any class go. Clean classes lose nothing, which
    matters: the farthest of a person's own pictures say most about where the centre is.
    """
    seen = Classwise.of([embeddings], labels, classes)
    keep = _kept(first_look(seen).plain, seen.labels, trim)
    return second_look(seen, keep, mirrored=False).centres


@dataclass(frozen=True, slots=True)
class Scattered:
    """A class, and how far its pictures are from their centre on average."""

    identity: str
    distance: float
    pictures: int


@dataclass(frozen=True, slots=True)
class Alike:
    """Two classes that may be one person."""

    a: str
    b: str
    cosine: float


@dataclass(frozen=True, slots=True)
class CentreReport:
    """What the classes look like from their centres, and which of them look wrong."""

    classes: int
    pictures: tuple[int, int, int]
    """fewest, median and most of a class"""
    singletons: int
    dispersion: tuple[float, float, float]
    """1 − cosine of a picture to its own centre: median, 95th percentile, largest of a class"""
    scattered: list[Scattered]
    """the classes whose pictures agree least: wrong labels, or several people"""
    alike: list[Alike]
    mirrored: bool
    """whether mirrored pictures were averaged in"""

    def to_json(self) -> dict[str, object]:
        told = asdict(self)
        told["scattered"] = [{"class": one.pop("identity"), **one} for one in told["scattered"]]
        return told

    def summary(self) -> str:
        low, middle, high = self.pictures
        return (
            f"{self.classes} classes of {low} to {high} pictures (median {middle}),"
            f" {self.singletons} with one only; median distance to the centre"
            f" {self.dispersion[0]:.3f}; {len(self.alike)} pairs of classes look like one person"
        )


def recovered_centres(
    sides: Sequence[NDArray[np.floating[Any]]],
    labels: NDArray[np.int64],
    identities: Sequence[str],
) -> tuple[Rows, CentreReport]:
    """Trimmed centres of embeddings averaged over their `sides` (plain, mirrored), and a report.

    A teacher that was never shown mirrored faces answers them elsewhere: its mirrored side would
    pull the centres away and is left out, by what it answers and not by what is known of it.
    The sides are looked at twice, a few classes at a time, and may lie in mapped files.
    """
    seen = Classwise.of(sides, labels, len(identities))
    first = first_look(seen)
    closeness = first.both if first.mirrored else first.plain
    keep = _kept(closeness, seen.labels, TRIM)
    found = second_look(seen, keep, mirrored=first.mirrored)
    return found.centres, _report(seen.labels, found, identities, first.mirrored)


def _kept(
    closeness: NDArray[np.float32], labels: NDArray[np.int64], trim: float
) -> NDArray[np.bool_]:
    return _closest(closeness, labels, trim) | ~strays(closeness)


def _report(
    labels: NDArray[np.int64], found: SecondLook, identities: Sequence[str], mirrored: bool
) -> CentreReport:
    centres, distance = found.centres, found.distance
    counts = np.bincount(labels, minlength=len(centres))
    of_class = np.bincount(labels, distance, len(centres)) / np.maximum(counts, 1)
    worst = np.argsort(-of_class)[:_NAMED]
    spread = (np.median(distance), np.percentile(distance, 95), of_class.max())
    return CentreReport(
        len(centres),
        (int(counts.min()), int(np.median(counts)), int(counts.max())),
        int((counts == 1).sum()),
        (float(spread[0]), float(spread[1]), float(spread[2])),
        [Scattered(identities[c], float(of_class[c]), int(counts[c])) for c in worst],
        _alike(centres, identities),
        mirrored,
    )


def _alike(centres: Rows, identities: Sequence[str]) -> list[Alike]:
    """Pairs of centres closer than people are, closest first; never more than a block in memory."""
    found = []
    for low in range(0, len(centres), _BLOCK):
        for left in range(low, len(centres), _BLOCK):
            cosines = centres[low : low + _BLOCK] @ centres[left : left + _BLOCK].T
            pairs = np.argwhere(cosines > _ALIKE)
            pairs = pairs[pairs[:, 0] + low < pairs[:, 1] + left]
            found += [(float(cosines[i, j]), low + int(i), left + int(j)) for i, j in pairs]
    return [Alike(identities[a], identities[b], cosine) for cosine, a, b in sorted(found)[::-1]]


def strays(closeness: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Those that are far below what is usual."""
    middle = np.median(closeness)
    spread = 1.4826 * np.median(np.abs(closeness - middle))
    far: NDArray[np.bool_] = closeness < middle - _FAR * spread
    return far


def _closest(
    closeness: NDArray[np.float32], labels: NDArray[np.int64], trim: float
) -> NDArray[np.bool_]:
    """All but the farthest `trim` of each class; at least one stays."""
    order = np.lexsort((-closeness, labels))
    counts = np.bincount(labels)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    kept = np.maximum(1, np.ceil(counts * (1 - trim)).astype(np.int64))
    closest: NDArray[np.bool_] = rank < kept[labels]
    return closest
