"""A gate on the far end of an interval, and the people it takes where too few of them tell."""

from dataclasses import dataclass

from embedge.calibration.people.carrying import people_to_reach
from embedge.report.gate.measurand import Measurand
from embedge.report.model import Direction, Gate

__all__ = ["Estimate", "gate_of_estimate"]


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
    sign = -1 if side == "min" else 1
    needs = people_to_reach(sign * (bound - found.rate), sign * (far - found.rate), found.people)
    best = None if strict else 100 * found.rate
    return Gate.of(
        measures, name, what, 100 * far, 100 * bound, side, unit, at_best=best, needs=needs
    )
