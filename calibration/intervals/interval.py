"""An interval of a rate, and how two sources of doubt are put together."""

import math
from dataclasses import dataclass

__all__ = ["CONFIDENCE", "Interval", "ratio_at_least", "together"]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Two-sided confidence interval of a rate."""

    low: float
    high: float

    @property
    def mirrored(self) -> "Interval":
        """That of one minus the rate."""
        return Interval(1 - self.high, 1 - self.low)


def together(rate: float, *sources: Interval) -> Interval:
    """Independent sources seldom err the same way: their reaches add as squares (MOVER)."""
    down = math.hypot(*(max(0.0, rate - source.low) for source in sources))
    up = math.hypot(*(max(0.0, source.high - rate) for source in sources))
    return Interval(max(0.0, rate - down), min(1.0, rate + up))


def ratio_at_least(most: float, its: Interval, least: float, others: Interval) -> float:
    """How many times as large the larger of two rates surely is; 1 where chance explains it all.

    Both doubts are those of logarithms, and add as squares.
    """
    if its.low <= 0 or others.high <= 0:
        return 1.0
    if least <= 0:
        return max(1.0, its.low / others.high)
    reach = math.hypot(math.log(most / its.low), math.log(others.high / least))
    return max(1.0, most / least * math.exp(-reach))
