"""From the template that is most likely to the template that finds its own best.

A regression answers with the mean of what a template may mean. As a gallery template that mean
leans on the few directions in which all faces vary most, so it is spread over the directions of the
new space (half of a whitening). It also carries the pictures it was fitted on: what it says of
nobody in particular (templates in all directions alike) is the favour that those pictures had, and
is taken off. Only an embedding that lies far from its origin (bytes with a zero point) is mapped
middle to middle: templates lie in one direction there. The floor was chosen on a third of the
people of a real set; it is no knob, because nothing without labels could turn it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.people.alike import OFF_CENTRE
from embedge.runtime.encoders import unit_rows
from embedge.train.bridge.kernel import Features
from embedge.train.bridge.linear import Affine

__all__ = ["Aim"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
_FLOOR = 0.1
_DIRECTIONS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    """`nobody` is what a regression reads, on average, of templates in all directions, and `told`
    what the map says of that: nothing, where both spaces lie around their origins."""

    spread: Float64
    nobody: Float64
    told: Float64 | float = 0.0

    @classmethod
    def at(cls, old: Float32, new: Float32, features: Features) -> Self:
        """`new` are native templates of the space that is aimed at, `old` what is mapped there."""
        strengths, turn = np.linalg.eigh(np.cov(new.T.astype(np.float64), bias=True))
        floored = np.maximum(strengths, 0) + _FLOOR * strengths.mean()
        spread = (turn * np.sqrt(floored.mean() / floored)) @ turn.T
        middles = old.mean(0, dtype=np.float64), new.mean(0, dtype=np.float64)
        if max(map(np.linalg.norm, middles)) > OFF_CENTRE:
            return cls(spread, features(old).mean(0, dtype=np.float64), middles[1])
        return cls(spread, features(_everywhere(features.dim)).mean(0, dtype=np.float64))

    def taken(self, regression: Affine) -> Affine:
        """The same regression, so aimed."""
        matrix = self.spread @ regression.matrix
        return Affine(matrix, self.told - matrix @ self.nobody)


def _everywhere(dim: int) -> Float32:
    """Each direction with its opposite, so that what is linear in them cancels out."""
    rows = unit_rows(np.random.default_rng(0).normal(size=(_DIRECTIONS, dim)))
    return np.concatenate([rows, -rows]).astype(np.float32)
