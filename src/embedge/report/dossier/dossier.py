"""The dossier: one type, whose derived figures and verdicts follow from those measured."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from embedge.calibration.differentials.annex import GroupAnnex
from embedge.calibration.evaluation.figures import (
    Acquisition,
    Comparison,
    Count,
    Rate,
    Share,
    Side,
)
from embedge.calibration.evaluation.integrity import DataFault
from embedge.report.dossier.checklist import Entry
from embedge.report.dossier.shapes import ErrorRates, ShapedVerdict, shaped_verdicts
from embedge.report.soundness.curves import denied
from embedge.runtime.threshold import Threshold
from embedge.typed import Digest, Text

__all__ = ["SCHEMA", "Dossier", "DossierFaces", "LeftOut", "Operation", "TestedSystem"]

SCHEMA: Final = "embedge.dossier/1"
_NEAR = 1e-9


@dataclass(frozen=True, slots=True)
class TestedSystem:
    side: Side
    sha256: Digest
    contract_digest: Digest
    contract_from: Text
    provider: Text


@dataclass(frozen=True, slots=True)
class DossierFaces:
    """`people` were judged; `fta` is the failure to acquire over all pictures that were tried."""

    name: Text
    fingerprint: Digest
    people: Count
    pictures: Count
    per_person: Count | None
    seed: Count
    acquisition: Acquisition
    fta: Rate
    trained_on: Literal["checked", "not checked"]
    findings: tuple[DataFault, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """People who set the bundle's threshold, as it says, and are not judged: how they would fare.

    A bundle that named those who fail would have them left out; `fnmr` is what they do.
    """

    people: Count
    genuine: Count
    rejected: Count
    fnmr: Rate


@dataclass(frozen=True, slots=True)
class Operation:
    """What happens at the one threshold. FAR and FRR count failures to acquire (generalised)."""

    threshold: Threshold
    threshold_from: Text
    false_matches: Count
    fmr: Rate
    fmr_upper: Share
    rejected: Count
    fnmr: Rate
    far: Share
    frr: Share
    frr_upper: Share
    left_out: LeftOut | None = None

    def error_rates(self, people: int) -> ErrorRates:
        return ErrorRates(people, self.far, self.fmr_upper, self.frr, self.frr_upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid", "allow_inf_nan": False}

    schema: Literal["embedge.dossier/1"] = SCHEMA
    created: Text
    command: str = ""
    system: TestedSystem
    faces: DossierFaces
    operation: Operation
    comparison: Comparison
    annex: tuple[GroupAnnex, ...] = ()
    checklist: tuple[Entry, ...]
    shaped: tuple[ShapedVerdict, ...]
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at, comparison, fta = self.operation, self.comparison, self.faces.fta
        for what, stated, follows in (
            ("FMR", at.fmr.rate * comparison.impostor, at.false_matches),
            ("FNMR", at.fnmr.rate * comparison.genuine, at.rejected),
            ("upper end of the FMR", at.fmr_upper, at.fmr.high),
            ("FAR", at.far, at.fmr.rate * (1 - fta.rate)),
            ("FRR", at.frr, generalised(fta.rate, at.fnmr.rate)),
            ("upper end of the FRR", at.frr_upper, generalised(fta.high, at.fnmr.high)),
        ):
            if abs(stated - follows) > _NEAR * max(1.0, abs(follows)):
                raise ValueError(f"the {what} does not follow from the counts")
        told = comparison.at_threshold
        if told is None or (told.fmr, told.fnmr) != (at.fmr, at.fnmr):
            raise ValueError("the rates at the threshold are not those of the comparison")
        for one in self.annex:
            others = comparison.images - sum(group.pictures for group in one.groups)
            if others != (one.ungrouped.pictures if one.ungrouped else 0):
                raise ValueError(f"{others:,} pictures are in no group of {one.attribute}")
        for line in denied(comparison):
            raise ValueError(line)
        if self.shaped != shaped_verdicts(self.operation.error_rates(self.comparison.subjects)):
            raise ValueError("a shaped verdict does not follow from the figures")

    @property
    def missing(self) -> int:
        return sum(entry.status == "missing" for entry in self.checklist)


def generalised(fta: float, fnmr: float) -> float:
    """Who cannot be acquired is rejected, and so is who was acquired and does not match."""
    return fta + (1 - fta) * fnmr
