"""INT8 arithmetic: scales, zero points, and what a quantised array looks like."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.export.int8.ranges import Range

__all__ = ["Scale", "activation_scale", "bias_codes", "weight_codes", "weight_scales"]

Floats = NDArray[np.floating]
_TINY = float(np.finfo(np.float32).tiny) * 2**24
_BIAS_LIMIT = 2**30  # half of int32: room for the accumulated products beside the bias


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
        return np.clip(rounded, limits.min, limits.max).astype(self.kind)

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
    scales = np.abs(weight).reshape(weight.shape[0], -1).max(axis=1) / limit
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias) / (float(activation) * _BIAS_LIMIT))
    return np.maximum(scales, _TINY).astype(np.float32)


def weight_codes(weight: Floats, scales: NDArray[np.float32], *, bits: int = 8) -> NDArray[np.int8]:
    limit = 2 ** (bits - 1) - 1
    columns = scales.reshape(-1, *(1,) * (weight.ndim - 1))
    return np.clip(np.rint(weight / columns), -limit, limit).astype(np.int8)


def bias_codes(bias: Floats, scales: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.rint(bias.astype(np.float64) / scales.astype(np.float64)).astype(np.int32)
