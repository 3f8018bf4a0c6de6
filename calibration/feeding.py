"""How a network wants to be fed, confirmed on faces: fed wrongly, it tells people apart worse."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.pairs import pairs_within
from embedge.calibration.rates import EqualError, equal_error
from embedge.calibration.scores import Float32
from embedge.runtime.encoders import unit_rows
from embedge.runtime.encoders.preprocessing import Preprocessing

__all__ = ["better_feeding", "feeding_rates", "has_pairs"]

_TOLERATED = 0.02
_DIRECTIONLESS = 1e-6


def feeding_rates(
    features: Callable[[Preprocessing], Float32],
    ways: Mapping[str, Preprocessing],
    labels: NDArray[np.generic],
) -> dict[str, float]:
    """Equal error rate of every way; one that gives rows without a direction has the worst."""
    return {name: _rate(features(way), labels) for name, way in ways.items()}


def better_feeding(chosen: str, rates: Mapping[str, float]) -> str | None:
    """Another way that is clearly better, if there is one."""
    best = min(rates, key=lambda name: rates[name])
    return best if rates[chosen] > rates[best] + _TOLERATED else None


def has_pairs(labels: NDArray[np.generic]) -> bool:
    """Whether two people have two pictures or more, so that anything can be told."""
    return int((np.unique(labels, return_counts=True)[1] > 1).sum()) > 1


def _rate(rows: Float32, labels: NDArray[np.generic]) -> float:
    if not np.isfinite(rows).all() or (np.linalg.norm(rows, axis=1) < _DIRECTIONLESS).any():
        return 1.0
    rate = equal_error(pairs_within(unit_rows(rows), labels))
    return rate.rate if isinstance(rate, EqualError) else 1.0
