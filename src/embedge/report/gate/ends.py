"""A gate on the far end of an interval, and the people it takes where too few of them tell."""

from dataclasses import dataclass

from embedge.calibration.people.carrying import people_to_reach
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Direction, Gate

__all__ = ["Estimate", "gate_of_estimate", "people_needed", "unrounded"]

_DIGITS = 12  # a loss of one in a hundred is one point, whatever floats make of the difference


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its interval, over so many people."""

    rate: float
    low: float
    high: float
    people: int


def gate_of_estimate(
    measures: Measurand,
    name: str,
    what: str,
    found: Estimate | None,
    bound: float,
    side: Direction,
    unit: str = "%",
    *,
    strict: bool = False,
) -> Gate:
    """In hundredths. It fails where the rate itself is beyond the bound.

    `strict`: where it is not shown to hold, too.
    """
    if found is None:
        return Gate.of(measures, name, what, None, 100 * bound, side, unit)
    far = found.low if side == "min" else found.high
    far, best, most = (unrounded(100 * one) for one in (far, found.rate, bound))
    told, needs = (None, None) if strict else (best, people_needed(far, best, most, found.people))
    return Gate.of(measures, name, what, far, most, side, unit, at_best=told, needs=needs)


def people_needed(far: float, best: float, bound: float, people: int) -> int | None:
    """Until an interval with this rate and this far end, in hundredths, is within the bound."""
    room, reach = (abs(end - best) / 100 for end in (bound, far))
    return people_to_reach(room, reach, people)


def unrounded(value: float) -> float:
    """Without the last digits that arithmetic leaves."""
    return round(value, _DIGITS)
