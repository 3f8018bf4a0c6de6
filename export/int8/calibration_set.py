"""Calibration sets: chosen pictures, not random ones, and written down so that they can be checked.

Pictures fall into cells of brightness, sharpness and turn of the head (left against right half),
or into clusters of their embeddings where those are given. The set takes turns among the cells,
and within a cell prefers people it has taken least.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json, write_json

__all__ = [
    "CalibrationSet",
    "choose",
    "comparable",
    "person_of",
    "picture_features",
    "picture_files",
]

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]
_PARTS = 3  # cells per feature
_CLUSTERS = 27
_ROUNDS = 20
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Which pictures were chosen, from how many, by which seed."""

    root: Path
    names: tuple[str, ...]
    offered: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        pictures = [{"name": n, "sha256": sha256_file(self.root / n)} for n in self.names]
        return {
            "format": "embedge.calibration-set/1",
            "seed": self.seed,
            "offered": self.offered,
            "digest": sha256_json(pictures),
            "pictures": pictures,
        }

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())


def picture_files(root: Path) -> list[str]:
    """Pictures under a folder, as names relative to it, sorted."""
    if not root.is_dir():
        raise EmbedgeError(
            "E-CALIBRATION", "there is no such folder", where=root, remedy="Check the path"
        )
    found = (p for p in root.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    return sorted(p.relative_to(root).as_posix() for p in found)


def person_of(name: str) -> str:
    """PERSON of PERSON/PICTURE."""
    return Path(name).parent.as_posix()


def comparable(
    names: Iterable[str], count: int, *, each: int = 8, seed: int = 0
) -> tuple[str, ...]:
    """About `count` of the names, as whole people: only those with two pictures or more.

    People are drawn at random, and of each the first `each` pictures: among as many pictures drawn
    one by one hardly any two show the same person.
    """
    people = defaultdict[str, list[str]](list)
    for name in sorted(names):
        people[person_of(name)].append(name)
    several = [pictures[:each] for pictures in people.values() if len(pictures) > 1]
    if len(several) < 2:
        raise EmbedgeError(
            "E-CALIBRATION",
            "fewer than two people have two pictures beside those that calibrate",
            remedy="Give PERSON/PICTURE with several pictures of many people",
        )
    found = list[str]()
    for place in np.random.default_rng(seed).permutation(len(several)):
        if len(found) >= count:
            break
        found += several[place]
    return tuple(sorted(found))


def picture_features(images: NDArray[np.uint8]) -> Floats:
    """(N, 3): brightness, sharpness, difference between the left and the right half."""
    grey = images.astype(np.float32).mean(axis=3)
    bright = grey.mean(axis=(1, 2))
    steps = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2))
    steps += np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
    half = grey.shape[2] // 2
    left, right = grey[:, :, :half], grey[:, :, -half:]
    turn = left.mean(axis=(1, 2)) - right.mean(axis=(1, 2))
    return np.stack([bright, steps / np.maximum(bright, 1), turn], axis=1)


def choose(
    features: Floats, people: Sequence[str], count: int, *, seed: int = 0, clusters: bool = False
) -> Indices:
    """Indices of `count` pictures, ascending. The same arguments give the same set.

    `features` are `picture_features`, or embeddings with `clusters=True`.
    """
    if len(features) != len(people) or count < 1:
        raise EmbedgeError(
            "E-CALIBRATION",
            f"{count} pictures of {len(features)} with {len(people)} names cannot be chosen",
            remedy="Give one name per picture and a positive count",
        )
    rng = np.random.default_rng(seed)
    cells = _clustered(features, rng) if clusters else _gridded(features)
    order = rng.permutation(len(features))
    queues = defaultdict[int, list[int]](list)
    for index in order:
        queues[int(cells[index])].append(int(index))
    return np.sort(np.array(_take_turns(queues, people, min(count, len(features))), np.int64))


def _take_turns(queues: dict[int, list[int]], people: Sequence[str], count: int) -> list[int]:
    taken, seen = list[int](), Counter[str]()
    while len(taken) < count:
        for cell in sorted(queues):
            queue = queues[cell]
            if not queue or len(taken) == count:
                continue
            best = min(range(len(queue)), key=lambda place: seen[people[queue[place]]])
            index = queue.pop(best)
            seen[people[index]] += 1
            taken.append(index)
    return taken


def _gridded(features: Floats) -> Indices:
    """The cell of each picture: equally wide parts of every feature, so that the rare has cells."""
    cells = np.zeros(len(features), np.int64)
    for column in features.T:
        low, high = np.quantile(column, [0.01, 0.99])
        edges = low + (high - low) * np.arange(1, _PARTS) / _PARTS
        cells = cells * _PARTS + np.searchsorted(edges, column, side="right")
    return cells


def _clustered(features: Floats, rng: np.random.Generator) -> Indices:
    """Lloyd's k-means on the sphere."""
    rows = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    count = min(_CLUSTERS, len(rows))
    centres = rows[rng.choice(len(rows), count, replace=False)]
    cells = np.zeros(len(rows), np.int64)
    for _ in range(_ROUNDS):
        cells = (rows @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, cells, rows)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return cells
