"""1:N: the best people of a gallery, and a decision that accounts for its size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, SupportsIndex

from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.enrolment import require_count
from embedge.runtime.gallery.gallery import Gallery
from embedge.runtime.gallery.migration.crossing import Crossing
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.picture.detect import Face
from embedge.runtime.picture.images import Colour, Picture
from embedge.runtime.picture.quality import Quality, Reason
from embedge.runtime.policy import Policy, identification_rate, identification_threshold, loosest
from embedge.runtime.threshold import Threshold

__all__ = [
    "Identification",
    "SeenFace",
    "identify",
    "identify_all",
    "identify_row",
    "require_count",
]

_EQUAL = 1e-4  # of cosine: what batches and bytes make of one picture; no two pictures are as near
_RIVALS = 5  # people looked for, however few are to be told: as many may share a picture


@dataclass(frozen=True, slots=True)
class Identification:
    """`person` is the best candidate if strictly above the threshold, else None.

    `tied` are people who are accepted and equally like the face, but for rounding: one picture
    enrolled under two names, most likely. Nothing chooses between them, so `person` is None.
    `threshold` is the one of the best candidate's template: bridged templates have their own.
    `fpir` is the upper bound of the chance that a search of `templates` templates takes a
    stranger for somebody, had the comparisons been independent.
    """

    person: str | None
    candidates: tuple[Ranked, ...]
    threshold: Threshold
    templates: int
    fpir: float
    by_bridge: bool = False
    tied: tuple[str, ...] = ()

    def __repr__(self) -> str:
        best = f", best {self.candidates[0]}" if self.candidates else ""
        said = self.person or (f"one of {', '.join(self.tied)}" if self.tied else "nobody")
        return (
            f"<Identification: {said}{best}, threshold"
            f" {self.threshold.value:.4f}, {self.templates} templates, fpir {self.fpir:.2g}>"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "candidates": [
                {"person": each.person, "cosine": each.cosine, "bridged": each.bridged}
                for each in self.candidates
            ],
            "threshold": self.threshold.to_json(),
            "templates": self.templates,
            "fpir": self.fpir,
            "by_bridge": self.by_bridge,
            "tied": list(self.tied),
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
    fmr: float | None = None,
    aligned: bool | None = None,
    colour: Colour | None = None,
) -> Identification:
    """Search the gallery; a policy chooses the threshold for the gallery's size, or refuses.

    `count` candidates are told, be it none; the decision does not depend on it. A `threshold` is
    taken instead of the artifact's own: for bridged templates the bridge's, proven for as low a
    rate, or a number by hand where that is stricter. `fmr` is the rate that was asked for, where
    it is higher than what the threshold happens to be proven for; alone it picks one. `aligned`
    and `colour` are as in `FaceMatcher.embed`.
    """
    face = matcher.reader.read(picture, aligned=aligned, colour=colour)
    row = matcher.embed_faces([face])
    return _searched(matcher, gallery, row, count, policy, threshold, fmr)[0]


def identify_row(
    matcher: FaceMatcher,
    gallery: Gallery,
    row: Embeddings,
    *,
    count: int = 5,
    policy: Policy | None = None,
    threshold: Threshold | None = None,
    fmr: float | None = None,
) -> Identification:
    """The same for an embedding of the matcher's."""
    return _searched(matcher, gallery, row, count, policy, threshold, fmr)[0]


def identify_all(
    matcher: FaceMatcher,
    gallery: Gallery,
    picture: Picture,
    *,
    count: int = 5,
    policy: Policy | None = None,
    threshold: Threshold | None = None,
    fmr: float | None = None,
    colour: Colour | None = None,
) -> list[SeenFace]:
    """Every face in the picture, the largest first, each with a decision of its own."""
    faces = matcher.reader.read_all(picture, colour=colour)
    refused = [matcher.reader.reasons(face) for face in faces]
    fit = [face for face, reasons in zip(faces, refused) if not reasons]
    rows = matcher.embed_faces(fit) if fit else None
    found = iter(
        [] if rows is None else _searched(matcher, gallery, rows, count, policy, threshold, fmr)
    )
    return [
        SeenFace(face.face, face.quality, reasons, None if reasons else next(found))
        for face, reasons in zip(faces, refused)
        if face.face is not None
    ]


@dataclass(frozen=True, slots=True)
class _Limits:
    """Where native and where bridged templates accept, among so many templates."""

    native: Threshold
    bridged: Threshold
    templates: int

    def of(self, found: Ranked) -> Threshold:
        return self.bridged if found.bridged else self.native


class _Look(Protocol):
    """One state of a gallery, of whatever kind."""

    @property
    def templates(self) -> int: ...
    @property
    def crossing(self) -> Crossing | None: ...
    def search(
        self, embeddings: Embeddings, contract: EmbeddingContract, count: int, handicap: float
    ) -> list[list[Ranked]]: ...


def _limits(
    matcher: FaceMatcher,
    look: _Look,
    policy: Policy | None,
    threshold: Threshold | None,
    fmr: float | None,
) -> _Limits:
    if fmr is not None and threshold is None:
        threshold = matcher.threshold(fmr=fmr)
    templates, crossing = look.templates, look.crossing
    if policy is None:
        native = matcher.decidable(threshold)
    else:
        known = matcher.thresholds() if threshold is None else (matcher.decidable(threshold),)
        native = identification_threshold(known, templates, policy)
    if crossing is None or not crossing.marks:
        return _Limits(native, native, templates)
    bridged = _of_bridge(crossing.thresholds, templates, policy, threshold, fmr)
    return _Limits(native, bridged, templates)


def _of_bridge(
    points: Sequence[Threshold],
    templates: int,
    policy: Policy | None,
    asked: Threshold | None,
    fmr: float | None,
) -> Threshold:
    """A threshold of the model's says nothing of bridged templates: of what it was asked for, the
    bridge has to prove as low a rate; a number of somebody's own may be stricter only.
    """
    if asked is not None and asked.proven:
        rate = asked.fmr_upper if fmr is None else fmr
        points = (loosest(points, rate, whose="the bridge, for its templates,"),)
    own = points[0] if policy is None else identification_threshold(points, templates, policy)
    return asked if asked and not asked.proven and asked.value > own.value else own


def _searched(
    matcher: FaceMatcher,
    gallery: Gallery,
    rows: Embeddings,
    count: int,
    policy: Policy | None,
    threshold: Threshold | None,
    fmr: float | None,
) -> list[Identification]:
    """Whoever is farthest above their own template's threshold is best.

    Limits and search are of one look at the gallery: others may enrol before and after it.
    """
    if not isinstance(count, SupportsIndex) or count > 0:
        require_count(count)

    def searched(look: _Look) -> tuple[_Limits, list[list[Ranked]]]:
        limits = _limits(matcher, look, policy, threshold, fmr)
        handicap = limits.bridged.value - limits.native.value
        return limits, look.search(rows, matcher.contract, max(count, _RIVALS), handicap)

    limits, found = gallery.look(searched)
    worst = max(limits.native.fmr_upper, limits.bridged.fmr_upper)
    fpir = identification_rate(worst, limits.templates)
    return [_decided(best, count, limits, fpir) for best in found]


def _decided(best: Sequence[Ranked], count: int, limits: _Limits, fpir: float) -> Identification:
    above = [each.cosine - limits.of(each).value for each in best]
    equal = [each for each, margin in zip(best, above) if margin > max(0.0, above[0] - _EQUAL)]
    accepted, by_bridge = len(equal) == 1, bool(best) and best[0].bridged
    threshold = limits.of(best[0]) if best else limits.native
    return Identification(
        person=equal[0].person if accepted else None,
        candidates=tuple(best[: max(count, 0)]),
        threshold=threshold,
        templates=limits.templates,
        fpir=fpir,
        by_bridge=accepted and by_bridge,
        tied=() if accepted else tuple(each.person for each in equal),
    )
