"""1:N: the best people of a gallery, and a decision that accounts for its size."""

from dataclasses import dataclass
from typing import Any

from embedge.runtime.gallery.gallery import Gallery, require_count
from embedge.runtime.gallery.search.ranking import Ranked
from embedge.runtime.matcher import FaceMatcher
from embedge.runtime.picture.images import Picture
from embedge.runtime.policy import Policy, identification_rate, identification_threshold
from embedge.runtime.threshold import Threshold

__all__ = ["Identification", "identify", "require_count"]


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
    templates = len(gallery)
    threshold = matcher.threshold()
    if policy is not None:
        threshold = identification_threshold(matcher.thresholds(), templates, policy)
    row = matcher.embed(picture, aligned=aligned)
    (ranked,) = gallery.identify(row, matcher.contract, count=max(count, 1))
    accepted = bool(ranked) and ranked[0].cosine > threshold.value
    return Identification(
        person=ranked[0].person if accepted else None,
        candidates=tuple(ranked[: max(count, 0)]),
        threshold=threshold,
        templates=templates,
        fpir=identification_rate(threshold.fmr_upper, templates),
    )
