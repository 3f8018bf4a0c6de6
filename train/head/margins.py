"""Margins on the target cosine: psi(cos θ) and its derivative, safe at cos θ = ±1.

`psi(cos θ) = cos(m1·θ + m2) − m3`, which is ArcFace for m2, CosFace for m3, SphereFace for m1.
Where m1·θ + m2 passes π the cosine would turn up again and reward a hopeless sample for being
worse; there psi continues as (−1)^k·cos(t) − 2k, which is continuous and keeps falling.

The derivative comes in two kinds: the mathematics, and the straight-through kind of one widely used
ArcFace, where the margin moves the logit but is treated as a constant by the gradient.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Protocol

import torch
from pydantic import Field
from torch import Tensor

from embedge.train.section import Factor, Section, Weight

__all__ = ["Margin", "QualityMargin", "TargetMargin", "margin_on_target"]

# dψ/dcosθ divides by sin θ. Under 1e-3 rad a float32 cosine no longer resolves the angle, and the
# embedding's tangent (length sin θ) that multiplies it vanishes, so the quotient is held there.
SIN_FLOOR = 1e-3
# how fast AdaFace's quality saturates, in deviations of the norm
_CONCENTRATION = 0.333


class TargetMargin(Protocol):
    """What a loss needs of a margin: the scale, and psi with its derivative on target cosines."""

    @property
    def scale(self) -> float: ...

    def on_target(self, cosine: Tensor) -> tuple[Tensor, Tensor]: ...


class Margin(Section):
    """The combined margin."""

    m1: Factor = 1.0
    """multiplies the target angle (SphereFace)"""
    m2: Annotated[float, Field(ge=0, lt=math.pi)] = 0.0
    """adds to the target angle, in radians (ArcFace)"""
    m3: Weight = 0.0
    """subtracts from the target cosine (CosFace)"""
    scale: Factor = 64.0
    """multiplies every cosine"""
    quality: Weight = 0.0
    """AdaFace's margin (0.4 as published) in place of m1, m2 and m3: the longer an embedding
    beside what is usual, the more its margin is CosFace's and the less its angle counts"""
    straight_through: bool = False
    """treat the margin as a constant in the gradient, as one widely used ArcFace does"""

    def on_target(self, cosine: Tensor) -> tuple[Tensor, Tensor]:
        if self.quality:
            # that of a face of average quality
            return margin_on_target(cosine, 1.0, 0.0, self.quality)
        through = self.straight_through
        return margin_on_target(cosine, self.m1, self.m2, self.m3, straight_through=through)


@dataclass(frozen=True, slots=True, eq=False)
class QualityMargin:
    """AdaFace: the norm of an embedding, standardised over its batch, moves its own margin.

    High quality (+1) gives m2 = −m, m3 = 2m; low quality (−1) gives m2 = +m, m3 = 0.
    """

    quality: Tensor
    margin: Margin

    @classmethod
    def of_norms(
        cls, norms: Tensor, mean: float | Tensor, deviation: float | Tensor, margin: Margin
    ) -> "QualityMargin":
        """Quality from norms and their running mean and deviation; no gradient goes through it."""
        standard = (norms.detach().float() - mean) / (deviation + 1e-3)
        return cls((standard * _CONCENTRATION).clamp(-1.0, 1.0), margin)

    @property
    def scale(self) -> float:
        return self.margin.scale

    def on_target(self, cosine: Tensor) -> tuple[Tensor, Tensor]:
        most, through = self.margin.quality, self.margin.straight_through
        m2 = -most * self.quality
        m3 = most + most * self.quality
        return margin_on_target(cosine, 1.0, m2, m3, straight_through=through)


def margin_on_target(
    cosine: Tensor,
    m1: float,
    m2: float | Tensor,
    m3: float | Tensor,
    *,
    straight_through: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return (psi, dψ/dcosθ) in float32 (float64 for a float64 cosine)."""
    cosine = cosine if cosine.dtype == torch.float64 else cosine.float()
    cosine = cosine.clamp(-1.0, 1.0)
    if m1 == 1.0 and isinstance(m2, float) and m2 == 0.0:
        return cosine - m3, torch.ones_like(cosine)
    # (1−c)(1+c) keeps the digits that 1−c² loses at the ends; atan2 is well conditioned everywhere
    sine = ((1.0 - cosine) * (1.0 + cosine)).sqrt()
    angle = (m1 * torch.atan2(sine, cosine) + m2).clamp_min(0.0)
    turns = torch.floor(angle / math.pi)
    sign = 1.0 - 2.0 * torch.remainder(turns, 2.0)
    psi = sign * torch.cos(angle) - 2.0 * turns - m3
    if straight_through:
        return psi, torch.ones_like(cosine)
    return psi, m1 * sign * torch.sin(angle) / sine.clamp_min(SIN_FLOOR)
