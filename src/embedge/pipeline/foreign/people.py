"""The people of a folder: who calibrates and confirms, who sets thresholds, who judges."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.people.splits import Roles, roles_of
from embedge.errors import EmbedgeError
from embedge.export.int8.calibration_set import (
    CONFIRMING,
    choose,
    decoded_pictures,
    person_of,
    picture_features,
    picture_files,
)
from embedge.export.intake.feeding import KnownFaces
from embedge.files import sha256_file, sha256_json
from embedge.printed import counted
from embedge.train.data import FaceSet

__all__ = ["People", "people_of"]

_FEWEST = 18


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Those who choose calibrate INT8 and confirm the feeding, and do nothing else."""

    calibration: NDArray[np.uint8]
    calibration_sha256: str
    confirming: KnownFaces
    faces: FaceSet
    roles: Roles
    """over `faces`, which are everybody"""


def people_of(root: Path, *, most: int, count: int, seed: int) -> People:
    """At most about `most` pictures of whole people; `count` of them calibrate."""
    names = _some(picture_files(root), most, seed)
    labels = np.array([person_of(name) for name in names])
    several = np.unique(labels, return_counts=True)[1] > 1
    if several.sum() < _FEWEST:
        raise EmbedgeError(
            "E-FACES-FEW",
            f"{counted(int(several.sum()), 'person has', 'people have')} two pictures or more;"
            f" at least {_FEWEST} are needed to confirm the feeding, set a threshold and judge it",
            where=root,
            remedy="Give a folder of aligned faces, PERSON/PICTURE",
        )
    roles = roles_of(labels, seed, choosing=True)
    images = decoded_pictures(root, names)
    pool, own = images[roles.choose], labels[roles.choose]
    chosen = pool[choose(picture_features(pool), own.tolist(), count, seed=seed)]
    digests = [sha256_file(root / name) for name in names]
    identities, numbers = np.unique(labels, return_inverse=True)
    faces = FaceSet(
        root.name,
        images,
        numbers.astype(np.int64),
        tuple(identities.tolist()),
        sha256_json(digests),
    )
    return People(
        chosen,
        sha256_json([int(v) for v in chosen.reshape(len(chosen), -1).sum(axis=1, dtype=np.int64)]),
        _confirming(pool, own),
        faces,
        roles,
    )


def _some(names: list[str], most: int, seed: int) -> list[str]:
    """Whole people, drawn at random."""
    people: dict[str, list[str]] = {}
    for name in names:
        people.setdefault(person_of(name), []).append(name)
    order = sorted(people)
    found = list[str]()
    for place in np.random.default_rng(seed).permutation(len(order)):
        if len(found) >= most:
            break
        found += people[order[place]]
    return sorted(found)


def _confirming(images: NDArray[np.uint8], labels: NDArray[np.str_]) -> KnownFaces:
    names, counts = np.unique(labels, return_counts=True)
    places = np.flatnonzero(np.isin(labels, names[counts > 1]))[:CONFIRMING]
    return KnownFaces(images[places], labels[places])
