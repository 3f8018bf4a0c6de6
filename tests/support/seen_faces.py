"""Faces as a camera sees them, made up: where, and whom they were taken for."""

from tiny_bundles import tiny_threshold

from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.identification import Identification, SeenFace
from embedge.runtime.picture.detect import Face
from embedge.runtime.picture.quality import Quality, Reason

SHARP = Quality(0.5, 120.0, 50.0)


def seen(
    person: str | None, left: float = 0.0, *, cosine: float = 0.8, refused: bool = False
) -> SeenFace:
    """A face 100 pixels wide at `left`."""
    face = Face((left, 0.0, left + 100, 100.0), 0.9, None)
    if refused:
        return SeenFace(face, SHARP, (Reason.BLURRED,), None)
    best = (Ranked(person or "ann", cosine, 0),)
    return SeenFace(
        face, SHARP, (), Identification(person, best, tiny_threshold(), templates=2, fpir=1e-4)
    )
