"""How many people an FMR takes: comparisons of the same two people are no new evidence."""

import math
from collections.abc import Iterable

from embedge.calibration.intervals.binomial import rule_of_three
from embedge.calibration.intervals.rates import CONFIDENCE

__all__ = ["carries", "people_needed", "strictest_carried"]


def carries(people: int, fmr: float, confidence: float = CONFIDENCE) -> bool:
    """Whether no false match at all among every two of them would bound the FMR so low."""
    return rule_of_three(people * (people - 1) / 2, confidence) <= fmr


def people_needed(fmr: float, confidence: float = CONFIDENCE) -> int:
    pairs = math.log1p(-confidence) / math.log1p(-fmr)
    people = max(2, math.floor((1 + math.sqrt(1 + 8 * pairs)) / 2) - 1)
    while not carries(people, fmr, confidence):
        people += 1
    return people


def strictest_carried(people: int, fmrs: Iterable[float]) -> float | None:
    return min((fmr for fmr in fmrs if carries(people, fmr)), default=None)
