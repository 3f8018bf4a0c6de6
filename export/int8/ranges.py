"""Ranges and scales of INT8: collect values, choose a range, round to codes.

Values are counted by the leading bits of their float32 pattern: sign, exponent, nine bits of
mantissa. Such a bin does not depend on what else was seen, so one pass is enough, memory is
bounded, and any order or split of the same values gives the same counts bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedge.errors import EmbedgeError

__all__ = [
    "METHODS",
    "Method",
    "Range",
    "Scale",
    "ValueCounts",
    "activation_scale",
    "bias_codes",
    "weight_codes",
    "weight_scales",
]

Floats = NDArray[np.floating]
Method = Literal["max", "percentile", "mse", "entropy"]

_MANTISSA_BITS = 9
_SHIFT = 23 - _MANTISSA_BITS
_SMALLEST, _LARGEST = 2.0**-24, 2.0**24  # what is smaller counts as zero, what is larger saturates
_LOW = int(np.float32(_SMALLEST).view(np.uint32)) >> _SHIFT
_BINS = (int(np.float32(_LARGEST).view(np.uint32)) >> _SHIFT) - _LOW + 1
_ENTROPY_BINS, _ENTROPY_LEVELS = 2048, 128
_ERROR_BINS = 8192
# A clipped value weighs as much as this many: what clipping does to one face has one sign and
# adds up through the layers, what rounding does mostly cancels.
_CLIPPED = 4.0
_TINY = float(np.finfo(np.float32).tiny) * 2**24
_BIAS_LIMIT = 2**30  # half of int32: room for the accumulated products beside the bias


@dataclass(frozen=True, slots=True)
class Range:
    """What an 8-bit number has to cover. Zero always lies inside, so that padding stays exact."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= 0 <= self.high:
            raise ValueError(f"a range covers zero: [{self.low}, {self.high}]")

    @property
    def bound(self) -> float:
        """The largest magnitude: the range of a symmetric quantiser."""
        return max(-self.low, self.high)

    def union(self, other: "Range") -> "Range":
        return Range(min(self.low, other.low), max(self.high, other.high))


class ValueCounts:
    """Counts of the values of one tensor."""

    __slots__ = ("counts", "high", "low", "zeros")

    def __init__(self) -> None:
        self.counts = np.zeros((2, _BINS), np.int64)  # negative, positive; rising magnitude
        self.zeros = 0
        self.low, self.high = np.inf, -np.inf

    def collect(self, values: Floats, name: str = "activation", *, most: int | None = None) -> None:
        """Count the values of one batch; with `most`, evenly spaced ones of each of its items.

        Which values of an item are counted depends on that item alone. The extremes are exact.
        """
        values = np.ascontiguousarray(values, np.float32)
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):
            raise EmbedgeError(
                "E-NAN",
                f"the tensor {name} holds NaN or infinity on the calibration pictures",
                remedy="Check the weights and the normalisation of the model in float32 first",
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        flat = _thinned(values, most)
        bits = flat.view(np.uint32)
        index = ((bits & 0x7FFFFFFF) >> _SHIFT).astype(np.int64) - _LOW
        kept = index >= 0
        self.zeros += int(flat.size - np.count_nonzero(kept))
        index = np.minimum(index[kept], _BINS - 1)
        index += _BINS * (flat[kept] > 0)
        self.counts += np.bincount(index, minlength=2 * _BINS).reshape(2, _BINS)

    @property
    def total(self) -> int:
        return int(self.counts.sum()) + self.zeros

    def compute(self, method: Method, **options: Any) -> Range:
        """The range that `method` chooses for what was collected."""
        if not self.total:
            raise EmbedgeError(
                "E-CALIBRATION",
                "no value was collected",
                remedy="Give at least one calibration picture",
            )
        return METHODS[method](self, **options)

    def values(self) -> tuple[Floats, NDArray[np.int64]]:
        """(middle of each occupied bin, count), rising; zero is one of them."""
        middles = _middles()
        below, above = np.flatnonzero(self.counts[0])[::-1], np.flatnonzero(self.counts[1])
        points = np.concatenate([-middles[below], [0.0], middles[above]])
        counts = np.concatenate([self.counts[0, below], [self.zeros], self.counts[1, above]])
        return np.clip(points, self.low, self.high), counts


def _thinned(values: Floats, most: int | None) -> Floats:
    rows = values.reshape(len(values), -1) if most else values.reshape(1, -1)
    step = -(-rows.shape[1] // most) if most else 1
    step += step > 1 and step % 2 == 0  # an odd step does not stay in the columns of an even width
    return np.ascontiguousarray(rows[:, ::step]).reshape(-1)


def _middles() -> Floats:
    edges = (np.arange(_LOW, _LOW + _BINS + 1, dtype=np.uint32) << _SHIFT).view(np.float32)
    return (edges[:-1].astype(np.float64) + edges[1:]) / 2


def _with_zero(low: float, high: float) -> Range:
    return Range(min(low, 0.0), max(high, 0.0))


def max_range(counts: ValueCounts) -> Range:
    """Everything that was seen."""
    return _with_zero(counts.low, counts.high)


def percentile_range(counts: ValueCounts, *, percent: float = 99.99) -> Range:
    """Cut the same share of the values on either side."""
    points, weights = counts.values()
    cumulated = np.cumsum(weights) / counts.total
    tail = (1 - percent / 100) / 2
    low = points[int(np.searchsorted(cumulated, tail, side="right"))]
    high = points[min(int(np.searchsorted(cumulated, 1 - tail)), points.size - 1)]
    return _with_zero(float(low), float(high))


def mse_range(
    counts: ValueCounts, *, levels: int = 255, symmetric: bool = False, steps: int = 41
) -> Range:
    """The range with the least squared error, where clipping counts more than rounding."""
    points, weights = _even(*counts.values())
    full = _with_zero(counts.low, counts.high)
    best = full if not symmetric else Range(-full.bound, full.bound)
    for _ in range(2):  # the two ends in turn, twice: the cost is nearly separable
        for side in ("both",) if symmetric else ("high", "low"):
            shares = np.linspace(0.2, 1.0, steps)
            trials = [_shrunk(full, best, side, share) for share in shares]
            best = min(trials, key=lambda trial: _squared_error(points, weights, trial, levels))
    return best


def _even(points: Floats, counts: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """The same values in evenly wide bins: enough for an error, and far fewer near zero."""
    low, high = points[0], points[-1]
    if points.size <= _ERROR_BINS or low == high:
        return points, counts
    index = np.rint((points - low) * ((_ERROR_BINS - 1) / (high - low))).astype(np.int64)
    totals = np.bincount(index, counts, _ERROR_BINS)
    sums = np.bincount(index, counts * points, _ERROR_BINS)
    kept = totals > 0
    return sums[kept] / totals[kept], totals[kept].astype(np.int64)


def _shrunk(full: Range, best: Range, side: str, share: float) -> Range:
    match side:
        case "high":
            return Range(best.low, full.high * share)
        case "low":
            return Range(full.low * share, best.high)
        case _:
            return Range(-full.bound * share, full.bound * share)


def _squared_error(points: Floats, counts: NDArray[np.int64], trial: Range, levels: int) -> float:
    step = (trial.high - trial.low) / levels
    if step == 0:
        return float(counts @ points**2)
    origin = np.round(-trial.low / step)
    code = np.round(points / step) + origin
    kept = np.clip(code, 0, levels)
    weight = np.where(code == kept, 1.0, _CLIPPED)
    return float((weight * counts) @ ((kept - origin) * step - points) ** 2)


def entropy_range(counts: ValueCounts) -> Range:
    """The bound whose 8-bit picture of the magnitudes diverges least (Kullback-Leibler)."""
    points, weights = counts.values()
    bound = max(-counts.low, counts.high)
    if bound == 0:
        return Range(0.0, 0.0)
    density, _ = np.histogram(np.abs(points), bins=_ENTROPY_BINS, range=(0, bound), weights=weights)
    density[0] = 0  # exact zeros are exact in any range
    trials = range(_ENTROPY_LEVELS, _ENTROPY_BINS + 1, 16)
    best = min(trials, key=lambda kept: _divergence(density, kept))
    limit = bound * best / _ENTROPY_BINS
    return _with_zero(max(counts.low, -limit), min(counts.high, limit))


def _divergence(density: Floats, kept: int) -> float:
    reference = density[:kept].astype(np.float64)
    reference[-1] += density[kept:].sum()
    if not reference.sum():
        return np.inf
    group = np.arange(kept) * _ENTROPY_LEVELS // kept
    occupied = density[:kept] > 0
    mass = np.bincount(group, density[:kept], _ENTROPY_LEVELS)
    share = np.bincount(group, occupied, _ENTROPY_LEVELS)
    coarse = np.where(occupied, mass[group] / np.maximum(share[group], 1), 0)
    p, q = reference / reference.sum(), coarse / max(coarse.sum(), 1e-30)
    seen = p > 0
    return float(np.sum(p[seen] * np.log(p[seen] / np.maximum(q[seen], 1e-12))))


METHODS: dict[Method, Callable[..., Range]] = {
    "max": max_range,
    "percentile": percentile_range,
    "mse": mse_range,
    "entropy": entropy_range,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """value = scale · (code − zero)."""

    scale: np.float32
    zero: int
    kind: type[np.uint8] | type[np.int8]

    def codes(self, values: Floats) -> NDArray[Any]:
        """Round half to even and saturate, as QuantizeLinear does."""
        limits = np.iinfo(self.kind)
        rounded = np.rint(np.asarray(values, np.float32) / self.scale) + self.zero
        codes: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(self.kind)
        return codes

    def values(self, codes: NDArray[Any]) -> NDArray[np.float32]:
        return (codes.astype(np.float32) - np.float32(self.zero)) * self.scale


def activation_scale(bounds: Range, *, symmetric: bool) -> Scale:
    """S8 around zero, or U8 with zero on the grid. A tensor that was always zero gets a unit."""
    if bounds.low == bounds.high:
        return Scale(np.float32(1), 0, np.int8 if symmetric else np.uint8)
    if symmetric:
        reach = max(bounds.high / 127, -bounds.low / 128, _TINY)
        return Scale(np.float32(reach), 0, np.int8)
    step = np.float32(max((bounds.high - bounds.low) / 255, _TINY))
    return Scale(step, int(np.clip(np.rint(-bounds.low / step), 0, 255)), np.uint8)


def weight_scales(
    weight: Floats, bias: Floats | None, activation: np.float32, *, bits: int = 8
) -> NDArray[np.float32]:
    """One scale per output channel, large enough that the bias fits its 32 bits.

    A channel of zeros, or one whose weights vanish beside its bias, has no scale of its own:
    it takes the one its bias needs.
    """
    limit = 2 ** (bits - 1) - 1
    scales: Floats = np.abs(weight).reshape(weight.shape[0], -1).max(axis=1) / limit
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias) / (float(activation) * _BIAS_LIMIT))
    return np.maximum(scales, _TINY).astype(np.float32)


def weight_codes(weight: Floats, scales: NDArray[np.float32], *, bits: int = 8) -> NDArray[np.int8]:
    limit = 2 ** (bits - 1) - 1
    columns = scales.reshape(-1, *(1,) * (weight.ndim - 1))
    codes: NDArray[np.int8] = np.clip(np.rint(weight / columns), -limit, limit).astype(np.int8)
    return codes


def bias_codes(bias: Floats, scales: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.rint(bias.astype(np.float64) / scales.astype(np.float64)).astype(np.int32)
