"""One artifact of a new model measured against the old gallery that it is to answer to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from embedge.calibration.compatibility.backfill import SHARES, backfill_curve
from embedge.calibration.compatibility.figures import (
    ArtifactCompatibility,
    Difference,
    Replacement,
    System,
)
from embedge.calibration.compatibility.flips import flips
from embedge.calibration.compatibility.shares import difference
from embedge.calibration.compatibility.systems import People, SystemAtWork, at_work
from embedge.calibration.evaluation.judge import Subject

__all__ = ["NewArtifact", "compatibility"]


@dataclass(frozen=True, slots=True, eq=False)
class NewArtifact:
    subject: Subject
    sha256: str
    precision: str


def compatibility(
    old: Subject,
    old_sha256: str,
    artifacts: Sequence[NewArtifact],
    people: People,
    fmr: float,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    on_done: Callable[[], object] = lambda: None,
) -> tuple[System, tuple[ArtifactCompatibility, ...]]:
    """The paragon (old on both sides), then every artifact of the new model."""
    paragon = at_work(old, old, people, fmr, old_sha256)
    found = []
    for artifact in artifacts:
        found.append(_measured(old, artifact, people, fmr, paragon, shares, seed))
        on_done()
    return paragon.system, tuple(found)


def _measured(
    old: Subject,
    artifact: NewArtifact,
    people: People,
    fmr: float,
    paragon: SystemAtWork,
    shares: Sequence[float],
    seed: int,
) -> ArtifactCompatibility:
    new, digest = artifact.subject, artifact.sha256
    cross = at_work(old, new, people, fmr, digest)
    alone = at_work(new, new, people, fmr, digest)
    asymmetric = _replacement("asymmetric", alone, cross, people)
    backward = _replacement("backward", paragon, cross, people)
    gap = backward.difference
    return ArtifactCompatibility(
        side=new.side,
        sha256=digest,
        precision=artifact.precision,
        cross=cross.system,
        reverse=at_work(new, old, people, fmr, digest).system,
        alone=alone.system,
        asymmetric=asymmetric,
        backward=backward,
        paragon_gap=Difference(0.0 - gap.value, 0.0 - gap.high, 0.0 - gap.low),
        update_gain=_gain(cross.system, alone.system, paragon.system),
        backfill=backfill_curve(old, new, people, cross, alone, shares=shares, seed=seed),
    )


def _replacement(
    criterion: Literal["asymmetric", "backward"],
    before: SystemAtWork,
    after: SystemAtWork,
    people: People,
) -> Replacement:
    found = flips(before.accepts, after.accepts, people.tested[people.genuine()[0]])
    told = difference(found.positive_rate, found.negative_rate)
    return Replacement(criterion, before.system.key, told, told.value > 0, found)


def _gain(cross: System, replaced: System, paragon: System) -> float | None:
    """How much of the way to the paragon the cross-test goes; none where there is no way."""
    way = paragon.tar.rate - replaced.tar.rate
    return (cross.tar.rate - replaced.tar.rate) / way if way > 0 else None
