"""How many people it takes to bound an error rate, when only people are independent."""

import math

from embedge.calibration.intervals.rates import CONFIDENCE
from embedge.calibration.rates import people_for
from embedge.errors import EmbedgeError

__all__ = ["people_for_fnmr", "require_people"]


def people_for_fnmr(fnmr: float, confidence: float = CONFIDENCE) -> int:
    """The fewest people who bound the FNMR when none of them is rejected."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-fnmr))


def require_people(people: int, fmr: float, doing: str) -> None:
    """Refuse what so few people cannot carry, and say how many more it takes."""
    needs = people_for(fmr)
    if people >= needs:
        return
    raise EmbedgeError(
        "E-FEW-PEOPLE",
        f"{people} people are to {doing} at an FMR of {fmr:g}, which takes {needs}:"
        f" {needs - people} more",
        remedy="Bring more people, or certify a higher --fmr",
    )
