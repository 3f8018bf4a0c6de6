"""One step's reading of a head, shared by every loss that asks it.

Up to a budget the cosines are kept: each product is computed once, for the cross-entropy and for
the divergence, and autograd's two are all that follow. Past it nothing of the size (B, C) exists,
and each loss streams over the classes by itself.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from embedge.train.head.margins import TargetMargin
from embedge.train.head.streamed.blocks import (
    check_dimensions,
    check_labels,
    full_precision,
    unit_rows,
)
from embedge.train.head.streamed.kl import head_kl
from embedge.train.head.streamed.margin_ce import margin_ce

__all__ = ["HeadPass", "kept_bytes", "read_head"]

_COPIES = 10  # of a (B, C) matrix that the losses of a step and their gradients hold at a time
_FLOAT = 4
_HALVES = (torch.bfloat16, torch.float16)
_NEVER = -1e30  # finite: where a sample has no other class the gradient is 0 and not NaN


class HeadPass(Protocol):
    """Embeddings beside a head, whose rows have length one unless they are trained."""

    @property
    def embeddings(self) -> Tensor: ...
    @property
    def weight(self) -> Tensor: ...

    def ce(self, labels: Tensor, margin: TargetMargin) -> Tensor:
        """Margin cross-entropy of each sample."""

    def kl_from(self, teacher: "HeadPass", factor: float) -> Tensor:
        """KL of each sample's class distribution from the teacher's, of cosines × factor."""


def kept_bytes(batch: int, classes: int) -> int:
    """What the logits of a step take where they are kept."""
    return batch * classes * _FLOAT * _COPIES


def read_head(
    embeddings: Tensor, weight: Tensor, budget_mb: int, *, half: bool = False
) -> HeadPass:
    """`half` multiplies a head in full precision in bfloat16, where its logits are kept; the head
    itself and its gradient stay as they are."""
    if kept_bytes(len(embeddings), len(weight)) > budget_mb << 20:
        return _Streamed(embeddings, weight)
    return _Kept(embeddings, weight, half)


@dataclass(frozen=True)
class _Streamed:
    embeddings: Tensor
    weight: Tensor

    def ce(self, labels: Tensor, margin: TargetMargin) -> Tensor:
        return margin_ce(self.embeddings, self.weight, labels, margin)

    def kl_from(self, teacher: HeadPass, factor: float) -> Tensor:
        own = None if teacher.weight is self.weight else self.weight
        student, target = self.embeddings, teacher.embeddings
        return head_kl(student, target, teacher.weight, own, scale=factor, temperature=1.0)


@dataclass(frozen=True)
class _Kept:
    embeddings: Tensor
    weight: Tensor
    half: bool = False

    @cached_property
    def unit(self) -> Tensor:
        return unit_rows(self.embeddings)

    @cached_property
    def rows(self) -> Tensor:
        """Of length one, a trained head's in full precision."""
        if not self.weight.requires_grad:
            return self.weight
        return F.normalize(self.weight.to(self.unit.dtype))

    @property
    def kind(self) -> torch.dtype:
        """Of the products; everything after them is in full precision."""
        if self.rows.dtype in _HALVES:
            return self.rows.dtype
        return torch.bfloat16 if self.half else self.unit.dtype

    @cached_property
    def cosines(self) -> Tensor:
        check_dimensions(self.embeddings, self.weight)
        unit, kind = self.unit, self.kind
        with full_precision(unit):
            return (unit.to(kind) @ self.rows.to(kind).T).to(unit.dtype)

    def ce(self, labels: Tensor, margin: TargetMargin) -> Tensor:
        """With the target apart from the others nothing cancels where a loss is nearly zero."""
        check_labels(labels, len(self.weight))
        place = labels[:, None]
        target = self._on_target(labels)
        psi, slope = margin.on_target(target.detach())
        joined = psi + slope * (target - target.detach())
        others = (margin.scale * self.cosines).scatter(1, place, _NEVER)
        return F.softplus(others.logsumexp(1) - margin.scale * joined)

    def _on_target(self, labels: Tensor) -> Tensor:
        """The one cosine that a margin is put on keeps its digits: bfloat16 has two of them."""
        if self.kind not in _HALVES:
            return self.cosines.gather(1, labels[:, None])[:, 0]
        return (self.unit * self.rows[labels].to(self.unit.dtype)).sum(1)

    def kl_from(self, teacher: HeadPass, factor: float) -> Tensor:
        assert isinstance(teacher, _Kept)  # equally many samples and classes: as large as this one
        mine = F.log_softmax(factor * self.cosines, dim=1)
        theirs = F.log_softmax(factor * teacher.cosines.detach(), dim=1)
        return (theirs.exp() * (theirs - mine)).sum(1)
