"""Requirements of two programmes in their shape: what these figures would say, and no more.

Nobody is certified here. What was not read in the published text says so.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

from embedge.calibration.compatibility.people_needed import people_for_fnmr
from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.intervals.binomial import upper_bound
from embedge.calibration.intervals.rates import CONFIDENCE
from embedge.calibration.rates import people_for

__all__ = ["SHAPES", "Bounded", "ErrorRates", "Shape", "ShapedVerdict", "shaped_verdicts"]

_ROUNDING = 1e-6
_SIDE = (1 + CONFIDENCE) / 2  # every upper end is that of the two-sided interval
NOT_VERIFIED: Final = "not verified against the published text"


@dataclass(frozen=True, slots=True)
class Shape:
    """`people` is the least number that is asked for, `uncovered` what is asked besides."""

    name: str
    source: str
    edition: str
    verified: str
    far: float
    frr: float
    people: int
    uncovered: tuple[str, ...]


SHAPES: Final = (
    Shape(
        "FIDO-shaped",
        "FIDO Alliance, FIDO Biometrics Requirements",
        "v4.0, final document of 2024-05-22",
        f"{NOT_VERIFIED}; it is said to ask this of an 80 % interval, here it is 95 %",
        1e-4,
        0.05,
        245,
        (
            "presentation attacks",
            "transactions of several attempts (these rates are per comparison)",
            "people present at a laboratory, with the device itself",
        ),
    ),
    Shape(
        "Android-shaped",
        "Android Compatibility Definition Document, 7.3.10 Biometric Sensors",
        "FAR 0.002 % and FRR 10 % as in the source text of 2015 (fingerprints)",
        f"{NOT_VERIFIED} for the classes 1 to 3 of later editions",
        2e-5,
        0.10,
        0,
        ("spoof and imposter acceptance", "security of the pipeline on the device"),
    ),
)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Rates with their upper ends; the FRR counts failures to acquire as rejections."""

    people: Count
    far: Share
    far_upper: Share
    frr: Share
    frr_upper: Share


@dataclass(frozen=True, slots=True)
class Bounded:
    """One requirement. It holds when the upper end is at or under the bound."""

    name: Literal["FAR", "FRR"]
    bound: Share
    rate: Share
    upper: Share
    more_people: Count | None

    @property
    def holds(self) -> bool:
        return self.upper <= self.bound


@dataclass(frozen=True, slots=True)
class ShapedVerdict:
    """`refused`: these people are too few to say it; `more_people` would do if nothing changed."""

    shape: str
    source: str
    edition: str
    verified: str
    status: Literal["met", "not met", "refused"]
    people: Count
    fewest_people: Count
    more_people: Count
    requirements: tuple[Bounded, ...]
    uncovered: tuple[str, ...]


def shaped_verdicts(measured: ErrorRates) -> tuple[ShapedVerdict, ...]:
    return tuple(_verdict(shape, measured) for shape in SHAPES)


def _verdict(shape: Shape, measured: ErrorRates) -> ShapedVerdict:
    people = measured.people
    fewest = max(shape.people, people_for(shape.far, _SIDE), people_for_fnmr(shape.frr, _SIDE))
    far = _bounded("FAR", shape.far, measured.far, measured.far_upper, people)
    frr = _bounded("FRR", shape.frr, measured.frr, measured.frr_upper, people)
    needs = [fewest - people, *(one.more_people or 0 for one in (far, frr))]
    if far.more_people is None or frr.more_people is None:
        status: Literal["met", "not met", "refused"] = "not met"
        needs = [0]
    else:
        status = "refused" if max(needs) > 0 else "met"
    return ShapedVerdict(
        shape.name,
        shape.source,
        shape.edition,
        shape.verified,
        status,
        people,
        fewest,
        max(0, *needs),
        (far, frr),
        shape.uncovered,
    )


def _bounded(
    name: Literal["FAR", "FRR"], bound: float, rate: float, upper: float, people: int
) -> Bounded:
    if upper <= bound:
        return Bounded(name, bound, rate, upper, 0)
    if rate >= bound:  # more people would only make that surer
        return Bounded(name, bound, rate, upper, None)
    times = _growth(rate, upper, bound)
    if name == "FAR":  # evidence grows with the pairs of people
        wanted = (1 + math.sqrt(1 + 4 * people * (people - 1) * times)) / 2
    else:
        wanted = people * times
    return Bounded(name, bound, rate, upper, math.ceil(wanted - _ROUNDING) - people)


def _growth(rate: float, upper: float, bound: float) -> float:
    """How many times the evidence it takes until the same rate has its upper end at the bound."""
    return _trials(rate, bound) / max(_trials(rate, upper), 1.0)


def _trials(rate: float, upper: float) -> float:
    """How many independent comparisons give a rate this upper end."""
    low, high = 1.0, 2.0
    while upper_bound(rate * high, high, _SIDE) > upper and high < 1e15:
        high *= 2
    for _ in range(60):
        middle = math.sqrt(low * high)
        if upper_bound(rate * middle, middle, _SIDE) > upper:
            low = middle
        else:
            high = middle
    return high
