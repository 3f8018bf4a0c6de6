"""What an evaluation finds, as it is printed, written to a file and told in a report."""

from dataclasses import dataclass
from typing import Final, Literal

from embedge.calibration.evaluation.figures import (
    Acquisition,
    Comparison,
    Count,
    Side,
    ThresholdsOn,
)
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.evaluation.slices import Slices
from embedge.calibration.identification import IdentificationRates
from embedge.calibration.tenfold import FoldedAccuracy
from embedge.runtime.contract import EmbeddingContract
from embedge.runtime.threshold import Threshold

__all__ = [
    "SCHEMA",
    "Evaluated",
    "EvaluatedData",
    "EvaluationResult",
    "ModelResult",
    "ProtocolFacts",
    "Templates",
]

SCHEMA: Final = "embedge.evaluation/2"


@dataclass(frozen=True, slots=True)
class Templates:
    """`failed` templates hold no face that could be embedded (failure to enrol)."""

    total: Count
    failed: Count

    @property
    def rate(self) -> float:
        return self.failed / self.total


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One model on one trial; which figures there are depends on the trial."""

    acquisition: Acquisition
    findings: tuple[DataFault, ...] = ()
    comparison: Comparison | None = None
    accuracy: FoldedAccuracy | None = None
    slices: Slices | None = None
    templates: Templates | None = None
    identification: dict[str, IdentificationRates] | None = None


@dataclass(frozen=True, slots=True)
class ModelResult:
    """A model by its bytes, where its contract was read, and what was measured.

    `thresholds_on` says on whom its threshold was set, by the pictures that its bundle tells.
    """

    side: Side
    sha256: str
    provider: str
    contract: EmbeddingContract
    contract_digest: str
    contract_from: str
    threshold: Threshold | None
    result: Evaluated
    thresholds_on: ThresholdsOn = "not checked"

    @property
    def name(self) -> str:
        return str(self.side)


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """Which comparisons were made; `source` is the file or folder that lists them."""

    name: str
    source: str | None = None
    part: str | None = None
    per_person: Count | None = None
    flip: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluatedData:
    """Whose faces these are, and what is wrong with them before any model has looked.

    `trained_on` says what the list of people trained on told, where there was one.
    """

    images: Count
    subjects: Count
    findings: tuple[DataFault, ...]
    trained_on_known: bool
    fingerprint: str
    trained_on: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """`matrix` holds every model as gallery against every model as probe, if that was asked for.

    `spoiled` says that a fault of the data makes every figure worthless.
    """

    protocol: ProtocolFacts
    data: EvaluatedData
    models: tuple[ModelResult, ...]
    matrix: tuple[Comparison, ...]
    spoiled: bool
    schema: Literal["embedge.evaluation/2"] = SCHEMA

    @classmethod
    def of(
        cls,
        protocol: ProtocolFacts,
        data: EvaluatedData,
        models: tuple[ModelResult, ...],
        matrix: tuple[Comparison, ...],
    ) -> "EvaluationResult":
        found = [*data.findings, *(fault for one in models for fault in one.result.findings)]
        spoiled = any(finding.severity == "error" for finding in found)
        return cls(protocol, data, models, matrix, spoiled)
