"""Quantiles of latencies, given only where the sample can carry them.

Everything here is distribution-free: latencies have long tails, and no one knows their shape.
The number of runs below the true quantile q is binomial(n, q), which bounds it by two order
statistics. Where n is too small for both to exist, there is no quantile to report.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["QUANTILES", "Percentiles", "quantile_interval", "runs_needed"]

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
class Percentiles:
    """Milliseconds over `n` runs; a quantile that n cannot carry is absent, `needs` says why."""

    n: int
    mean: float
    max: float
    values: dict[str, float] = field(default_factory=dict)
    interval: dict[str, tuple[float, float]] = field(default_factory=dict)
    needs: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, milliseconds: ArrayLike) -> "Percentiles":
        ordered = np.sort(np.asarray(milliseconds, dtype=np.float64))
        n = len(ordered)
        if n == 0:
            raise ValueError("no run was measured")
        carried = {name: q for name, q in QUANTILES.items() if n >= runs_needed(q)}
        return cls(
            n=n,
            mean=float(ordered.mean()),
            max=float(ordered[-1]),
            values={name: float(ordered[_rank(n, q)]) for name, q in carried.items()},
            interval={name: quantile_interval(ordered, q) for name, q in carried.items()},
            needs={name: runs_needed(q) for name, q in QUANTILES.items() if name not in carried},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            **{name: _rounded(self.values.get(name)) for name in QUANTILES},
            "max": _rounded(self.max),
            "mean": _rounded(self.mean),
            "unit": "ms",
            "interval": {
                name: [_rounded(low), _rounded(high)] for name, (low, high) in self.interval.items()
            },
            "needs": self.needs,
        }


def _rank(n: int, q: float) -> int:
    """Index of the nearest-rank quantile: the smallest run with at least q·n runs at or under."""
    return max(math.ceil(q * n - 1e-9), 1) - 1


def _binomial(n: int, q: float) -> NDArray[np.float64]:
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    chances: NDArray[np.float64] = np.exp(log_choose + k * math.log(q) + (n - k) * math.log1p(-q))
    return chances


def _rounded(value: float | None) -> float | None:
    """A tenth of a microsecond is below what the clock of any device can tell."""
    return None if value is None else round(value, 4)
