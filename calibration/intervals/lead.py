"""How far one model is ahead of another on the same people, and how sure that is."""

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.intervals.rates import CONFIDENCE, few_people

__all__ = ["Lead", "lead"]


@dataclass(frozen=True, slots=True)
class Lead:
    """A difference of two rates, with its two-sided interval over people."""

    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        return self.low > 0 or self.high < 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def lead(
    difference: float,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    subjects: int,
    confidence: float = CONFIDENCE,
) -> Lead:
    """Both models' rates in the same rounds of the bootstrap: what is hard for both cancels out."""
    spread = float(np.std(first - second)) / few_people(subjects, confidence) ** 0.5
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    return Lead(difference, difference - reach, difference + reach)
