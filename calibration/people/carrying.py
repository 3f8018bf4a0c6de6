"""How many people an FMR takes: comparisons of the same two people are no new evidence."""

from collections.abc import Iterable

from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.calibration.rates import people_for

__all__ = ["carries", "strictest_carried"]


def carries(people: int, fmr: float, confidence: float = CONFIDENCE) -> bool:
    """Whether no false match at all among every two of them would bound the FMR so low."""
    return people >= people_for(fmr, confidence)


def strictest_carried(people: int, fmrs: Iterable[float]) -> float | None:
    return min((fmr for fmr in fmrs if carries(people, fmr)), default=None)
