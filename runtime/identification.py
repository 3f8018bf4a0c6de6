"""1:N: the best people of a gallery, and a decision that accounts for its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embedge.runtime.gallery.gallery import Gallery, require_count
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.picture.detect import Face
from embedge.runtime.picture.face_crop import ReadFace
from embedge.runtime.picture.images import Colour, Picture
from embedge.runtime.picture.quality import Quality, Reason
from embedge.runtime.policy import Policy, identification_rate, identification_threshold
from embedge.runtime.threshold import Threshold

__all__ = ["Identification", "SeenFace", "identify", "identify_all", "require_count"]


@dataclass(frozen=True, slots=True)
class Identification:
    """`person` is the best candidate if strictly above the threshold, else None.

    `fpir` is the upper bound of the chance that a search of `templates` templates takes a
    stranger for somebody, had the comparisons been independent.
    """

    person: str | None
    candidates: tuple[Ranked, ...]
    threshold: Threshold
    templates: int
    fpir: float

    def __repr__(self) -> str:
        best = f", best {self.candidates[0]}" if self.candidates else ""
        return (
            f"<Identification: {self.person or 'nobody'}{best}, threshold"
            f" {self.threshold.value:.4f}, {self.templates} templates, fpir {self.fpir:.2g}>"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "candidates": [
                {"person": each.person, "cosine": each.cosine} for each in self.candidates
            ],
            "threshold": self.threshold.to_json(),
            "templates": self.templates,
            "fpir": self.fpir,
        }


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face of a picture: decided, or `refused` because it is not good enough."""

    face: Face
    quality: Quality
    refused: tuple[Reason, ...]
    found: Identification | None

    @property
    def person(self) -> str | None:
        return self.found.person if self.found else None

    def __repr__(self) -> str:
        box = ", ".join(f"{side:.0f}" for side in self.face.box)
        said = self.found or f"refused: {', '.join(self.refused)}"
        return f"<SeenFace at ({box}): {said}>"


def identify(
    matcher: FaceMatcher,
    gallery: Gallery,
    picture: Picture,
    *,
    count: int = 5,
    policy: Policy | None = None,
    threshold: Threshold | None = None,
    aligned: bool | None = None,
    colour: Colour | None = None,
) -> Identification:
    """Search the gallery; a policy chooses the threshold for the gallery's size, or refuses.

    `count` candidates are told, be it none; the decision does not depend on it. A `threshold` is
    taken instead of the artifact's own. `aligned` and `colour` are as in `FaceMatcher.embed`.
    """
    templates = len(gallery)
    decided_at = _decided_at(matcher, templates, policy, threshold)
    face = matcher.reader.read(picture, aligned=aligned, colour=colour)
    return _searched(matcher, gallery, [face], count, decided_at, templates)[0]


def identify_all(
    matcher: FaceMatcher,
    gallery: Gallery,
    picture: Picture,
    *,
    count: int = 5,
    policy: Policy | None = None,
    threshold: Threshold | None = None,
    colour: Colour | None = None,
) -> list[SeenFace]:
    """Every face in the picture, the largest first, each with a decision of its own."""
    templates = len(gallery)
    decided_at = _decided_at(matcher, templates, policy, threshold)
    faces = matcher.reader.read_all(picture, colour=colour)
    refused = [matcher.reader.reasons(face) for face in faces]
    fit = [face for face, reasons in zip(faces, refused) if not reasons]
    found = iter(_searched(matcher, gallery, fit, count, decided_at, templates))
    return [
        SeenFace(face.face, face.quality, reasons, None if reasons else next(found))
        for face, reasons in zip(faces, refused)
        if face.face is not None
    ]


def _decided_at(
    matcher: FaceMatcher, templates: int, policy: Policy | None, threshold: Threshold | None
) -> Threshold:
    if policy is None:
        return matcher.decidable(threshold)
    known = matcher.thresholds() if threshold is None else (matcher.decidable(threshold),)
    return identification_threshold(known, templates, policy)


def _searched(
    matcher: FaceMatcher,
    gallery: Gallery,
    faces: Sequence[ReadFace],
    count: int,
    decided_at: Threshold,
    templates: int,
) -> list[Identification]:
    if not faces:
        return []
    rows = matcher.embed_faces(faces)
    fpir = identification_rate(decided_at.fmr_upper, templates)
    return [
        Identification(
            person=best[0].person if best and best[0].cosine > decided_at.value else None,
            candidates=tuple(best[: max(count, 0)]),
            threshold=decided_at,
            templates=templates,
            fpir=fpir,
        )
        for best in gallery.identify(rows, matcher.contract, count=max(count, 1))
    ]
