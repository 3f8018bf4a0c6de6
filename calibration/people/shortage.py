"""A threshold for the FMR that was asked for, or for the strictest one that the people carry."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from embedge.calibration.evaluation.figures import Count, Share
from embedge.calibration.scores import PairScores
from embedge.calibration.thresholds import threshold_at
from embedge.runtime.threshold import Threshold

__all__ = ["LOOSEST", "Shortage", "carried_threshold", "shortage_text"]

LOOSEST = 0.1  # a rate beyond it is none that a door could live with


@dataclass(frozen=True, slots=True)
class Shortage:
    """A threshold was `asked` for at an FMR that its `people` do not carry: it takes `needs`."""

    asked: Share
    people: Count
    needs: Count


def carried_threshold(
    scores: PairScores, asked: float, *, dataset: str, model: str
) -> tuple[Threshold | None, Shortage | None]:
    """None where not even one in ten is carried."""
    shortage = None
    for fmr in _looser(asked):
        found = threshold_at(scores, fmr, dataset=dataset, model=model)
        if isinstance(found, Threshold):
            return found, shortage
        shortage = shortage or Shortage(asked, found.have, found.needs)
    return None, shortage


def shortage_text(shortage: Shortage, threshold: Threshold | None) -> str:
    instead = "there is none" if threshold is None else f"it is set for {threshold.fmr_target:g}"
    return (
        f"the threshold was to keep FMR {shortage.asked:g}, which {shortage.people:,} people do not"
        f" carry (it takes {shortage.needs:,}): {instead}"
    )


def _looser(asked: float) -> Iterator[float]:
    """The rate itself, then 1, 2 and 5 times the powers of ten above it."""
    yield asked
    for exponent in range(math.floor(math.log10(asked)), 0):
        for step in (1, 2, 5):
            fmr = float(f"{step}e{exponent}")
            if asked < fmr <= LOOSEST:
                yield fmr
