"""What a claim of "no re-enrolment" has to state, in the words of compatible training.

Old is the model that enrolled, new the one that takes its place in front of the camera. Every
accept rate (TAR) is taken at a threshold that was fixed on other people.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from embedge.calibration.evaluation.figures import Count, Key, Rate, Share, Side
from embedge.runtime.threshold import Threshold
from embedge.typed import Bound

__all__ = [
    "ArtifactCompatibility",
    "BackfillPoint",
    "Difference",
    "Flips",
    "Replacement",
    "System",
]

Gap = Annotated[float, Bound(-1, 1)]
_NEAR = 1e-9


def _require_ratio(rate: float, part: int, whole: int, what: str) -> None:
    if part > whole or abs(rate * whole - part) > _NEAR * max(whole, 1):
        raise ValueError(f"{what} is {rate}, but the counts say {part} of {whole}")


@dataclass(frozen=True, slots=True)
class System:
    """One cell of the matrix: who enrolled, who compares, and what that does to these people."""

    gallery: Side
    probe: Side
    threshold: Threshold
    genuine: Count
    accepted: Count
    tar: Rate
    impostor: Count
    false_matches: Count
    fmr: Rate

    def __post_init__(self) -> None:
        _require_ratio(self.tar.rate, self.accepted, self.genuine, f"the TAR of {self.key}")
        _require_ratio(self.fmr.rate, self.false_matches, self.impostor, f"the FMR of {self.key}")

    @property
    def key(self) -> Key:
        return Key(self.gallery, self.probe)


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two accept rates on the same comparisons, with its interval over people."""

    value: Gap
    low: Gap
    high: Gap


@dataclass(frozen=True, slots=True)
class Flips:
    """Genuine comparisons that two systems decide differently; negative ones are lost.

    `people_by_losses` counts the people who lose 0, 1, 2 … comparisons; its last entry is of those
    who lose `len - 1` or more.
    """

    comparisons: Count
    negative: Count
    positive: Count
    negative_rate: Rate
    positive_rate: Rate
    people: Count
    people_losing: Count
    losing: Rate
    most_of_one_person: Count
    people_by_losses: tuple[Count, ...]

    def __post_init__(self) -> None:
        _require_ratio(self.negative_rate.rate, self.negative, self.comparisons, "negative flips")
        _require_ratio(self.positive_rate.rate, self.positive, self.comparisons, "positive flips")
        _require_ratio(self.losing.rate, self.people_losing, self.people, "people losing")
        if sum(self.people_by_losses) != self.people:
            raise ValueError("the people by losses are not all the people")


@dataclass(frozen=True, slots=True)
class Replacement:
    """The new model against the old gallery, in place of another system.

    `above` is the compatibility criterion as it is published: the cross-test beats what it
    replaces. `difference` says how sure that is.
    """

    criterion: Literal["asymmetric", "backward"]
    replaced: Key
    difference: Difference
    above: bool
    flips: Flips

    def __post_init__(self) -> None:
        told = self.flips.positive_rate.rate - self.flips.negative_rate.rate
        if abs(told - self.difference.value) > _NEAR:
            raise ValueError(f"the flips against {self.replaced} contradict the difference")
        if self.above != (self.difference.value > 0):
            raise ValueError(f"above={self.above} against {self.replaced} is not what it says")


@dataclass(frozen=True, slots=True)
class BackfillPoint:
    """Some people re-enrolled with the new model, the others left as they are.

    `rank1` is the share of searches in that mixed gallery whose mate comes first.
    """

    share: Share
    people: Count
    tar: Rate
    fmr: Share
    rank1: Rate


@dataclass(frozen=True, slots=True)
class ArtifactCompatibility:
    """One artifact of the new model. `cross` is the old gallery with the new probe.

    `update_gain` is the share of the way from what the cross-test replaces to the best that one
    could have (`paragon`, the old model on both sides); None where there is no way to go.
    """

    side: Side
    sha256: str
    precision: str
    cross: System
    reverse: System
    alone: System
    asymmetric: Replacement
    backward: Replacement
    paragon_gap: Difference
    update_gain: float | None
    backfill: tuple[BackfillPoint, ...]

    def __post_init__(self) -> None:
        told = self.cross.tar.rate - self.alone.tar.rate
        if abs(told - self.asymmetric.difference.value) > _NEAR:
            raise ValueError(f"{self.side}: the matrix contradicts the difference")
        if abs(self.paragon_gap.value + self.backward.difference.value) > _NEAR:
            raise ValueError(f"{self.side}: the gap to the paragon contradicts the matrix")
