"""An interval of a rate, and how two sources of doubt are put together."""

import math
from dataclasses import dataclass

__all__ = ["CONFIDENCE", "Interval", "together"]

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
