"""From the template that is most likely to the template that finds its own best.

A regression answers with the mean of what a template may mean. As a gallery template that mean
leans on the few directions in which all faces vary most, and, brought to length one, it shouts
where it knows little. So it is spread over the directions of the new space (half of a whitening)
and set upon the new space's mean (half of it), which speaks the louder the less there is to say.
Both halves and the floor were chosen on a third of the people of a real set, for two networks in
both directions; they are no knobs, because nothing without labels could turn them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embedge.train.bridge.linear import Affine

__all__ = ["Aim"]

Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
_FLOOR = 0.3
_MEAN = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Aim:
    spread: Float64
    mean: Float64
    length: float

    @classmethod
    def at(cls, new: Float32, regressed: Float32) -> Self:
        """`new` are native templates, `regressed` what the regression says for the same."""
        mean = new.mean(0, dtype=np.float64)
        strengths, turn = np.linalg.eigh(np.cov(new.T.astype(np.float64), bias=True))
        floored = np.maximum(strengths, 0) + _FLOOR * strengths.mean()
        spread = (turn * np.sqrt(floored.mean() / floored)) @ turn.T
        lengths = np.linalg.norm((regressed - mean) @ spread, axis=1)
        return cls(spread, mean, max(float(lengths.mean()), 1e-9))

    def taken(self, regression: Affine) -> Affine:
        """The same regression, so aimed."""
        turn = self.spread / self.length
        offset = turn @ (regression.offset - self.mean) + _MEAN * self.mean
        return Affine(turn @ regression.matrix, offset)
