"""The result of comparing two embedding spaces, and how it is written down.

The field names of the JSON are a contract with the report: docs/reference/report-evaluation.md.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.rates import CONFIDENCE, Interval
from embedge.calibration.rates import Insufficient, OperatingPoint

__all__ = [
    "AtThreshold",
    "Comparison",
    "DetBand",
    "Drift",
    "DriftPoint",
    "EqualErrorResult",
    "Histogram",
    "SameImage",
    "TarResult",
]


@dataclass(frozen=True, slots=True)
class EqualErrorResult:
    rate: float
    threshold: float
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        return {
            "eer": self.rate,
            "eer_low": self.interval.low,
            "eer_high": self.interval.high,
            "eer_threshold": self.threshold,
        }


@dataclass(frozen=True, slots=True)
class TarResult:
    """TAR at an FMR target, or what it would take to know it."""

    fmr_target: float
    point: OperatingPoint | Insufficient
    interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        if isinstance(self.point, Insufficient) or self.interval is None:
            return {"fmr": self.fmr_target, "needs": self.needs}
        return {
            "fmr": self.fmr_target,
            "tar": self.point.tar,
            "low": self.interval.low,
            "high": self.interval.high,
            "threshold": self.point.threshold,
        }

    @property
    def needs(self) -> int | None:
        return self.point.needs if isinstance(self.point, Insufficient) else None


@dataclass(frozen=True, slots=True, eq=False)
class DetBand:
    """A DET curve with the interval of the FNMR at every point."""

    threshold: NDArray[np.float64]
    fmr: NDArray[np.float64]
    fnmr: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in self.__slots__}


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    edges: NDArray[np.float64]
    genuine: NDArray[np.int64]
    impostor: NDArray[np.int64]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name).tolist() for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class SameImage:
    """Cosine between the two embeddings of one image."""

    mean: float
    p1: float
    min: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Error rates at a threshold that was fixed on other people."""

    threshold: float
    fmr: float
    fmr_interval: Interval
    fnmr: float
    fnmr_interval: Interval

    def to_json(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "fmr": {"rate": self.fmr, **self.fmr_interval.to_json()},
            "fnmr": {"rate": self.fnmr, **self.fnmr_interval.to_json()},
        }


@dataclass(frozen=True, slots=True)
class DriftPoint:
    """Decisions that change when the reference's threshold is kept but its model is replaced."""

    fmr_target: float
    reference_threshold: float
    threshold: float
    comparisons: int
    genuine_lost: int
    genuine_won: int
    impostor_lost: int
    impostor_won: int

    def to_json(self) -> dict[str, Any]:
        flips = self.genuine_lost + self.genuine_won + self.impostor_lost + self.impostor_won
        drift = self.threshold - self.reference_threshold
        return {**asdict(self), "drift": drift, "flips": flips}


@dataclass(frozen=True, slots=True)
class Drift:
    reference: str
    points: tuple[DriftPoint, ...]

    def to_json(self) -> dict[str, Any]:
        points = [point.to_json() for point in self.points]
        return {"reference": self.reference, "points": points}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything measured when one set of embeddings is compared with another."""

    name: str
    gallery: str
    probe: str
    images: int
    subjects: int
    genuine: int
    impostor: int
    eer: EqualErrorResult | Insufficient
    tar: tuple[TarResult, ...]
    det: DetBand | None
    histogram: Histogram
    same_image: SameImage | None
    at_threshold: AtThreshold | Insufficient | None
    drift: Drift | None

    def tar_at(self, fmr_target: float) -> TarResult:
        return next(result for result in self.tar if result.fmr_target == fmr_target)

    def to_json(self) -> dict[str, Any]:
        eer = {"eer": None} if isinstance(self.eer, Insufficient) else self.eer.to_json()
        return {
            "name": self.name,
            "gallery": self.gallery,
            "probe": self.probe,
            "images": self.images,
            "subjects": self.subjects,
            "genuine": self.genuine,
            "impostor": self.impostor,
            "confidence": CONFIDENCE,
            **eer,
            "tar": [result.to_json() for result in self.tar],
            "det": self.det and self.det.to_json(),
            "histogram": self.histogram.to_json(),
            "same_image": self.same_image and self.same_image.to_json(),
            "threshold": self.threshold,
            "at_threshold": self.at_threshold and self.at_threshold.to_json(),
            "drift": self.drift and self.drift.to_json(),
        }

    @property
    def threshold(self) -> float | None:
        at = self.at_threshold
        return at.threshold if isinstance(at, AtThreshold) else None
