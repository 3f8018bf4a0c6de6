"""1:N: the best people of a gallery, and a decision that accounts for its size."""

from dataclasses import dataclass
from typing import Any

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.gallery import Gallery, require_count
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.picture.images import Picture
from embedge.runtime.policy import Policy, identification_rate, identification_threshold
from embedge.runtime.threshold import Threshold

__all__ = ["Identification", "identify", "identify_row", "require_count"]


@dataclass(frozen=True, slots=True)
class Identification:
    """`person` is the best candidate if strictly above the threshold, else None.

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
        }


def identify(
    matcher: FaceMatcher,
    gallery: Gallery,
    picture: Picture,
    *,
    count: int = 5,
    policy: Policy | None = None,
    aligned: bool | None = None,
) -> Identification:
    """Search the gallery; a policy chooses the threshold for the gallery's size, or refuses.

    `count` candidates are told, be it none; the decision does not depend on it. `aligned` is as in
    `FaceMatcher.embed`.
    """
    row = matcher.embed(picture, aligned=aligned)
    return identify_row(matcher, gallery, row, count=count, policy=policy)


def identify_row(
    matcher: FaceMatcher,
    gallery: Gallery,
    row: Embeddings,
    *,
    count: int = 5,
    policy: Policy | None = None,
) -> Identification:
    """The same for an embedding of the matcher's. Whoever is farthest above their own threshold
    is best: a bridged template has the bridge's, every other one the model's.
    """
    templates, crossing = len(gallery), gallery.crossing()
    bridged = crossing.bridged if crossing and crossing.marks else 0
    native = _limit(matcher.thresholds(), templates, policy)
    across = _limit(crossing.thresholds, templates, policy) if crossing and bridged else native
    (ranked,) = gallery.identify(
        row, matcher.contract, count=max(count, 1), handicap=across.value - native.value
    )
    by_bridge = bool(ranked) and ranked[0].bridged
    threshold = across if by_bridge else native
    accepted = bool(ranked) and ranked[0].cosine > threshold.value
    worst = max(native.fmr_upper, across.fmr_upper)
    return Identification(
        person=ranked[0].person if accepted else None,
        candidates=tuple(ranked[: max(count, 0)]),
        threshold=threshold,
        templates=templates,
        fpir=identification_rate(worst, templates),
        by_bridge=accepted and by_bridge,
    )


def _limit(points: tuple[Threshold, ...], templates: int, policy: Policy | None) -> Threshold:
    return points[0] if policy is None else identification_threshold(points, templates, policy)
