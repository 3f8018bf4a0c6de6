"""Faults of the held-out faces that spoil every figure: copies, wrong names, one person twice."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.figures import ThresholdsOn
from embedge.calibration.evaluation.integrity import (
    DataFault,
    channel_faults,
    copied_pictures,
    likely_same_people,
    mislabelled,
)
from embedge.calibration.evaluation.subjects import pixel_digest
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.copies import saved_again
from embedge.calibration.people.splits import Roles
from embedge.train.data import FaceSet

__all__ = ["faults_of", "picture_digests", "threshold_pictures", "thresholds_on"]


_MOST_NAMED = 50_000  # a manifest holds 4 MiB


def picture_digests(faces: FaceSet) -> list[str]:
    return [sha256(picture.tobytes()).hexdigest() for picture in faces.images]


def threshold_pictures(faces: FaceSet, roles: Roles) -> list[str]:
    """For the bundle: by them a dossier knows again who set its thresholds."""
    rows = np.flatnonzero(roles.threshold)[:_MOST_NAMED]
    return sorted({pixel_digest(np.asarray(faces.images[row])) for row in rows})


def thresholds_on(digests: list[str], roles: Roles) -> ThresholdsOn:
    """By their pictures: one person under two names has one role too many."""
    setting, judging = (
        {digests[row] for row in np.flatnonzero(mask)}
        for mask in (roles.threshold | roles.choose, roles.judge)
    )
    return "the same people" if setting & judging else "other people"


def faults_of(faces: FaceSet, digests: list[str], rows: NDArray[np.float32]) -> Iterator[DataFault]:
    """Of the held-out faces, as the teacher's `rows` show them."""
    names = [f"{faces.identities[label]} #{n}" for n, label in enumerate(faces.labels)]
    yield from copied_pictures(names, digests, faces.labels)
    yield from channel_faults(faces.images, len(names))
    scores = pairs_within(rows, faces.labels)
    yield from map(_seen, mislabelled(names, rows, faces.labels, scores))
    yield from map(_seen, likely_same_people(names, rows, faces.labels, scores))
    yield from saved_again(names, scores, lambda row: np.asarray(faces.images[row]))


def _seen(fault: DataFault) -> DataFault:
    return replace(fault, what=f"{fault.what}, as the teacher sees them")
