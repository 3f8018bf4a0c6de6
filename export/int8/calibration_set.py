"""Calibration sets: chosen pictures, not random ones, and written down so that they can be checked.

Pictures fall into cells of brightness, sharpness and turn of the head (left against right half).
The set takes turns among the cells, and within a cell prefers people it has taken least.
"""

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.people.splits import people_by_role
from embedge.errors import EmbedgeError
from embedge.files import sha256_file, sha256_json, write_json
from embedge.runtime.picture.images import rgb_from_picture

__all__ = [
    "CONFIRMING",
    "CalibrationSet",
    "choose",
    "chosen_from_folder",
    "comparable",
    "decoded_pictures",
    "person_of",
    "picture_features",
    "picture_files",
]

Floats = NDArray[np.floating]
Images = NDArray[np.uint8]
Indices = NDArray[np.int64]
CONFIRMING = 128  # pictures of several of each person: they confirm how a model is fed
_PARTS = 3  # cells per feature
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
_POOL = 8  # times as many pictures as are wanted: features of all would take too long
_SPARE = 200
_ROLES = {"calibrate": 0.5, "measure": 0.2, "choose": 0.3}


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Which pictures were chosen, from how many, by which seed.

    `spare` are pictures of other people, `choose` those of others again, who say what stays in
    float; where a folder shows fewer than three people, both are other pictures of the same ones.
    """

    root: Path
    names: tuple[str, ...]
    offered: int
    seed: int
    spare: tuple[str, ...] = ()
    choose: tuple[str, ...] = ()

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


def chosen_from_folder(root: Path, count: int, *, seed: int = 0) -> CalibrationSet:
    """Choose among the aligned pictures under a folder, PERSON/PICTURE or flat."""
    names = picture_files(root)
    rng = np.random.default_rng(seed)
    shows, measures, choosing = _by_role(names, seed)
    pool = _some(shows, _POOL * max(count, 1), rng)
    features = picture_features(decoded_pictures(root, pool))
    taken = choose(features, [person_of(name) for name in pool], count, seed=seed)
    chosen = tuple(pool[i] for i in taken)
    spare = _some(sorted(set(measures) - set(chosen)), _SPARE, rng) or list(chosen)
    others = sorted(set(choosing) - set(chosen))
    return CalibrationSet(root, chosen, len(shows), seed, tuple(spare), tuple(others))


def _by_role(names: list[str], seed: int) -> list[list[str]]:
    """Pictures that calibrate, that measure, that choose: of different people."""
    people = [person_of(name) for name in names]
    if len(set(people)) < len(_ROLES):
        return [names] * len(_ROLES)
    masks = people_by_role(people, seed, _ROLES)
    return [[names[i] for i in np.flatnonzero(masks[role])] for role in _ROLES]


def _some(names: list[str], most: int, rng: np.random.Generator) -> list[str]:
    return [names[i] for i in np.sort(rng.permutation(len(names))[:most])]


def picture_files(root: Path) -> list[str]:
    """Pictures under a folder, as names relative to it, sorted.

    Where people have folders, what lies beside those is no face: a contact sheet, say.
    """
    if not root.is_dir():
        raise _unusable("there is no such folder", "Give a folder of aligned faces", root)
    found = (p for p in root.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    names = sorted(p.relative_to(root).as_posix() for p in found)
    return [name for name in names if "/" in name] or names


def decoded_pictures(root: Path, names: Sequence[str]) -> Images:
    """(N, H, W, 3) RGB; all of one size."""
    if not names:
        raise _unusable("there is no picture", "Give a folder of aligned faces", root)
    images = [rgb_from_picture(root / name) for name in names]
    for name, image in zip(names, images):
        if image.shape != images[0].shape:
            raise _unusable(
                f"pictures differ in size: {images[0].shape[:2]} and {image.shape[:2]}",
                "Align the photos first: `embedge data align PHOTOS FACES --detector D.onnx`",
                root / name,
            )
    return np.stack(images)


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
        raise _unusable(
            "fewer than two people have two pictures beside those that calibrate",
            "Give PERSON/PICTURE with several pictures of many people",
        )
    found = list[str]()
    for place in np.random.default_rng(seed).permutation(len(several)):
        if len(found) >= count:
            break
        found += several[place]
    return tuple(sorted(found))


def picture_features(images: Images) -> Floats:
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
    features: Floats | None, people: Sequence[Hashable], count: int, *, seed: int = 0
) -> Indices:
    """Indices of `count` pictures, ascending. The same arguments give the same set.

    Without `features` all pictures lie in one cell: one of everybody before a second of any.
    """
    if count < 1 or (features is not None and len(features) != len(people)):
        offered = len(people if features is None else features)
        raise _unusable(
            f"{count} pictures of {offered} with {len(people)} names cannot be chosen",
            "Give one name per picture and a positive count",
        )
    cells = np.zeros(len(people), np.int64) if features is None else _gridded(features)
    queues = defaultdict[int, list[int]](list)
    for index in np.random.default_rng(seed).permutation(len(people)):
        queues[int(cells[index])].append(int(index))
    return np.sort(np.array(_take_turns(queues, people, min(count, len(people))), np.int64))


def _take_turns(queues: dict[int, list[int]], people: Sequence[Hashable], count: int) -> list[int]:
    taken, seen = list[int](), Counter[Hashable]()
    cells = [_Cell(queues[cell], people) for cell in sorted(queues)]
    while len(taken) < count:
        for cell in cells:
            if cell.heads and len(taken) < count:
                taken.append(cell.pop(seen))
    return taken


class _Cell:
    """The pictures of one cell, first those of whoever was taken least, then in their order."""

    def __init__(self, queue: list[int], people: Sequence[Hashable]) -> None:
        self.queue, self.people = queue, people
        self.places = defaultdict[Hashable, deque[int]](deque)
        for place, index in enumerate(queue):
            self.places[people[index]].append(place)
        self.heads = sorted((0, places[0]) for places in self.places.values())

    def pop(self, seen: Counter[Hashable]) -> int:
        while True:
            known, place = self.heads[0]
            index = self.queue[place]
            person = self.people[index]
            if known == seen[person]:
                break
            heapq.heapreplace(self.heads, (seen[person], place))  # taken from another cell since
        heapq.heappop(self.heads)
        seen[person] += 1
        self.places[person].popleft()
        if self.places[person]:
            heapq.heappush(self.heads, (seen[person], self.places[person][0]))
        return index


def _gridded(features: Floats) -> Indices:
    """The cell of each picture: equally wide parts of every feature, so that the rare has cells."""
    cells = np.zeros(len(features), np.int64)
    for column in features.T:
        low, high = np.quantile(column, [0.01, 0.99])
        edges = low + (high - low) * np.arange(1, _PARTS) / _PARTS
        cells = cells * _PARTS + np.searchsorted(edges, column, side="right")
    return cells


def _unusable(what: str, remedy: str, where: Path | None = None) -> EmbedgeError:
    return EmbedgeError("E-CALIBRATION", what, where=where, remedy=remedy)
