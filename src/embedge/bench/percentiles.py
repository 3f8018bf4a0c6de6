"""Quantiles of latencies, given only where the sample can carry them.

Everything here is distribution-free: latencies have long tails, and no one knows their shape.
The number of runs below the true quantile q is binomial(n, q), which bounds it by two order
statistics. Where n is too small for both to exist, there is no quantile to report.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUANTILES", "Quantiles", "quantile_interval", "quantiles_of", "runs_needed"]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_TAIL = 0.025  # each side of a 95 % interval


def runs_needed(q: float) -> int:
    """The smallest sample that holds a two-sided 95 % interval of the quantile `q`."""
    rarer = max(q, 1 - q)
    guess = math.ceil(math.log(_TAIL) / math.log(rarer))
    return next(n for n in range(max(guess - 1, 1), guess + 2) if rarer**n <= _TAIL)


def quantile_interval(ordered: NDArray[np.float64], q: float) -> tuple[float, float]:
    """The two order statistics that enclose the quantile `q` with at least 95 % confidence."""
    n = len(ordered)
    if n < runs_needed(q):
        raise ValueError(f"{n} runs cannot carry the quantile {q}: it takes {runs_needed(q)}")
    at_most = np.cumsum(_binomial(n, q))  # P(K <= k), K runs below the quantile
    low = int(np.searchsorted(at_most, _TAIL, side="right"))  # ranks 1..low keep P(K < rank) small
    high = int(np.searchsorted(at_most, 1 - _TAIL, side="left")) + 1
    return float(ordered[max(low, 1) - 1]), float(ordered[min(high, n) - 1])


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Those of a sample, with their intervals; `needs` says what the others would take."""

    values: dict[str, float]
    interval: dict[str, tuple[float, float]]
    needs: dict[str, int]


def quantiles_of(ordered: NDArray[np.float64]) -> Quantiles:
    n = len(ordered)
    carried = {name: q for name, q in QUANTILES.items() if n >= runs_needed(q)}
    return Quantiles(
        {name: float(ordered[_rank(n, q)]) for name, q in carried.items()},
        {name: quantile_interval(ordered, q) for name, q in carried.items()},
        {name: runs_needed(q) for name, q in QUANTILES.items() if name not in carried},
    )


def _rank(n: int, q: float) -> int:
    """Index of the nearest-rank quantile: the smallest run with at least q·n runs at or under."""
    return max(math.ceil(q * n - 1e-9), 1) - 1


def _binomial(n: int, q: float) -> NDArray[np.float64]:
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    chances: NDArray[np.float64] = np.exp(log_choose + k * math.log(q) + (n - k) * math.log1p(-q))
    return chances
