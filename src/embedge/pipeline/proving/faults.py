"""Faults of the held-out faces that spoil every figure: copies, wrong names, two roles for one."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.evaluation.integrity import (
    DataFault,
    channel_faults,
    copied_pictures,
    likely_same_people,
    mislabelled,
)
from embedge.calibration.pairs import pairs_within
from embedge.calibration.people.splits import Roles
from embedge.report.model import ThresholdsOn
from embedge.train.data import FaceSet

__all__ = ["UNJUDGED", "faults_of", "picture_digests", "thresholds_on"]


# how it is told that the teacher is too poor to judge the labels
UNJUDGED = ("shuffled-labels", "warning")


def picture_digests(faces: FaceSet) -> list[str]:
    return [sha256(picture.tobytes()).hexdigest() for picture in faces.images]


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
    for fault in mislabelled(names, rows, faces.labels, scores):
        # where all of them are suspect, the teacher may be the poor one: the gates ask the student
        blind = fault.count == len(names)
        yield _seen(replace(fault, severity="warning") if blind else fault)
    yield from map(_seen, likely_same_people(names, rows, faces.labels, scores))


def _seen(fault: DataFault) -> DataFault:
    return replace(fault, what=f"{fault.what}, as the teacher sees them")
