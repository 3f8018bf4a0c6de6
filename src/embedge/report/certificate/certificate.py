"""The certificate: one type, whose verdict follows from its own figures or it cannot be made."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal

from embedge.calibration.compatibility.figures import ArtifactCompatibility, Replacement, System
from embedge.calibration.evaluation.figures import Acquisition, Count, Key, Share, Side
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.people.shortage import LOOSEST
from embedge.report.gate.measurand import OTHER, Figure, Measurand
from embedge.report.model import Gate, Verdict
from embedge.typed import Digest, Text

__all__ = [
    "SCHEMA",
    "Certificate",
    "CertifiedFaces",
    "Claim",
    "Parties",
    "replacement_of",
    "verdict_of",
]

SCHEMA: Final = "embedge.certificate/1"
Criterion = Literal["asymmetric", "backward"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be shown: at this FMR the new model loses no more than `margin` of the TAR.

    `asymmetric`: against enrolling everybody again with the new model. `backward`: against keeping
    the old model on both sides.
    """

    criterion: Criterion
    fmr: Share
    margin: Share
    confidence: Share
    per_person: Count | None
    seed: Count

    def __post_init__(self) -> None:
        if self.fmr > LOOSEST:
            raise ValueError(f"an FMR of {self.fmr:g} is none that a door could live with")


@dataclass(frozen=True, slots=True)
class Parties:
    """Which files were compared, each by its bytes; artifacts of the bundle that were not."""

    bundle: Text
    bundle_manifest: Digest
    space: Text
    old: Side
    old_sha256: Digest
    old_contract_from: Text
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertifiedFaces:
    """Thresholds were set on some people, everything else was counted on others."""

    fingerprint: Digest
    people: Count
    threshold_people: Count
    judged_people: Count
    judged_pictures: Count
    acquisition: Acquisition
    trained_on: Literal["checked", "not checked"]
    findings: tuple[DataFault, ...] = ()

    def __post_init__(self) -> None:
        if self.threshold_people + self.judged_people != self.people:
            raise ValueError("the two groups of people are not all the people")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """`paragon` is the old model on both sides."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    schema: Literal["embedge.certificate/1"] = SCHEMA
    created: Text
    command: str = ""
    claim: Claim
    parties: Parties
    faces: CertifiedFaces
    paragon: System
    artifacts: tuple[ArtifactCompatibility, ...]
    verdict: Verdict
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if _plainly(self.verdict) != _plainly(verdict_of(self.claim, self.artifacts)):
            raise ValueError("its verdict does not follow from its figures")
        for one in self.artifacts:
            gap = self.paragon.tar.rate - one.cross.tar.rate
            if abs(gap - one.paragon_gap.value) > 1e-9:
                raise ValueError(f"{one.side}: the gap to the paragon is not that of the matrix")
        people = {system.threshold.subjects for system in self.systems}
        if people != {self.faces.threshold_people}:
            raise ValueError("a threshold was set on other people than it says")

    @property
    def systems(self) -> Iterator[System]:
        yield self.paragon
        for one in self.artifacts:
            yield from (one.cross, one.reverse, one.alone)


def verdict_of(claim: Claim, artifacts: tuple[ArtifactCompatibility, ...]) -> Verdict:
    """Every gate stands on the end of an interval, never on the figure itself."""
    return Verdict.of(gate for one in artifacts for gate in _gates(claim, one))


def _gates(claim: Claim, one: ArtifactCompatibility) -> Iterator[Gate]:
    def measures(figure: Figure) -> Measurand:
        return Measurand(figure, key=Key(one.side, one.side), fmr=claim.fmr)

    chosen = replacement_of(claim, one)
    yield Gate.of(
        measures("compatibility"),
        f"compatible: {one.side}",
        f"TAR of the old gallery with the new probe less that of {chosen.replaced}, low end",
        chosen.difference.low,
        -claim.margin,
        "min",
        "share",
    )
    apart = min((one.cross, one.alone), key=_apart)
    yield Gate.of(
        measures("separation"),
        f"tells people apart: {one.side}",
        f"TAR of {apart.key}, low end, less its FMR, high end",
        _apart(apart),
        0.0,
        "min",
        "share",
    )
    yield Gate.of(
        measures("false-matches"),
        f"false matches: {one.side}",
        "FMR of the judged people at the threshold set on others, low end",
        one.cross.fmr.low,
        claim.fmr,
        "max",
        "share",
    )


def _plainly(verdict: Verdict) -> list[Gate]:
    """Without the measurands, which certificates had not always."""
    return [replace(gate, measures=OTHER) for gate in verdict.gates]


def _apart(system: System) -> float:
    """At most zero where it may accept strangers as readily as the person."""
    return system.tar.low - system.fmr.high


def replacement_of(claim: Claim, one: ArtifactCompatibility) -> Replacement:
    return one.asymmetric if claim.criterion == "asymmetric" else one.backward
