"""How many people an FMR takes: comparisons of the same two people are no new evidence."""

import math
from collections.abc import Iterable

from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.calibration.rates import people_for

__all__ = ["carries", "people_to_reach", "strictest_carried"]


def carries(people: int, fmr: float, confidence: float = CONFIDENCE) -> bool:
    """Whether no false match at all among every two of them would bound the FMR so low."""
    return people >= people_for(fmr, confidence)


def strictest_carried(people: int, fmrs: Iterable[float]) -> float | None:
    return min((fmr for fmr in fmrs if carries(people, fmr)), default=None)


def people_to_reach(
    room: float, reach: float, people: int, confidence: float = CONFIDENCE
) -> int | None:
    """How many people it takes until an interval of a rate over people reaches no farther.

    With nobody who errs it shrinks as their number, what more it has as its root; that those to
    come are as these are is an assumption. None where there is no room at all.
    """
    if room <= 0 or people < 1:
        return None
    alone = -math.log((1 - confidence) / 2)
    spread = max(0.0, reach - alone / people) * math.sqrt(people)
    root = (spread + math.sqrt(spread**2 + 4 * alone * room)) / (2 * room)
    return max(people + 1, math.ceil(root**2))
