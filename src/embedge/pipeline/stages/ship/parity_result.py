"""What the parity stage finds, as it is kept on disk and read by gates, report and bundle."""

from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Comparison, Cosines, Count, Side
from embedge.calibration.evaluation.integrity import DataFault
from embedge.calibration.people.zoo import Zoo
from embedge.report.model import Dataset, Shortage
from embedge.runtime.threshold import Threshold

__all__ = ["TEACHER", "ArtifactParity", "ParityResult", "ScoredPlaces", "WorstPlaces", "student"]

TEACHER = Side("teacher")


def student(artifact: str) -> Side:
    return Side("student", artifact)


@dataclass(frozen=True, slots=True)
class ArtifactParity:
    """Nearness to torch, and thresholds for a gallery of its own and for the teacher's."""

    provider: str
    cosine: Cosines
    threshold: Threshold | None
    shortage: Shortage | None
    threshold_against_teacher: Threshold | None
    thresholds: tuple[Threshold, ...]


@dataclass(frozen=True, slots=True)
class ScoredPlaces:
    """Two pictures by their place in the held-out faces, and their cosine."""

    a: Count
    b: Count
    cosine: float


@dataclass(frozen=True, slots=True)
class WorstPlaces:
    impostors: tuple[ScoredPlaces, ...]
    genuines: tuple[ScoredPlaces, ...]


@dataclass(frozen=True, slots=True)
class ParityResult:
    dataset: Dataset
    artifacts: dict[str, ArtifactParity]
    comparisons: tuple[Comparison, ...]
    worst: WorstPlaces
    findings: tuple[DataFault, ...] = ()
    zoo: Zoo | None = None
