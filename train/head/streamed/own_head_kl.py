"""The streamed KL where student and teacher have a head each, over the same classes.

Two softmaxes run side by side. The teacher's probabilities also weigh the rows of the student's
head, which is half of the gradient, and the gap between the logits, which is the loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedge.train.head.streamed.blocks import (
    ClassBlocks,
    NegativeSums,
    absorb_block,
    full_precision,
)

__all__ = ["OwnHeadKL"]


class OwnHeadKL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        own: Tensor,
        teacher_unit: Tensor,
        teacher_weight: Tensor,
        scale: float,
        block: int | None,
        normalised: bool,
    ) -> Tensor:
        blocks = ClassBlocks.of(own, 2 * len(unit), block, normalised, unit.dtype)
        pairs = _BlockPairs(blocks, teacher_weight)
        with full_precision(unit):
            mine, theirs, gap = _two_softmaxes(unit, teacher_unit, pairs, scale)
        lse, teacher_lse = mine.lse(), theirs.lse()
        ctx.scale, ctx.size, ctx.normalised = scale, blocks.size, normalised
        extra = (own, teacher_weight, unit, teacher_unit, lse, teacher_lse)
        direction = (mine.mean_rows() - theirs.mean_rows()).mul_(scale)
        ctx.save_for_backward(direction, *(extra if ctx.needs_input_grad[1] else ()))
        return gap / theirs.total - teacher_lse + lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        direction, *extra = ctx.saved_tensors
        of_weight = None
        if extra:
            own, teacher_weight, unit, *rest = extra
            blocks = ClassBlocks(own, ctx.size, ctx.normalised, unit.dtype)
            pairs = _BlockPairs(blocks, teacher_weight)
            with full_precision(unit):
                of_weight = _weight_gradient(pairs, ctx.scale, upstream, unit, *rest)
        return direction * upstream[:, None], of_weight, None, None, None, None, None


@dataclass(frozen=True, slots=True)
class _BlockPairs:
    """The student's and the teacher's rows of the same classes."""

    own: ClassBlocks
    teacher_weight: Tensor

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        theirs = ClassBlocks(self.teacher_weight, self.own.size, True, self.own.dtype)
        for (low, rows), (_, teacher_rows) in zip(self.own, theirs, strict=True):
            yield low, rows, teacher_rows


def _two_softmaxes(
    unit: Tensor, teacher_unit: Tensor, pairs: _BlockPairs, scale: float
) -> tuple[NegativeSums, NegativeSums, Tensor]:
    """The student's and the teacher's sums, and Σ exp(l_t)·(l_t − l_s) on the teacher's shift."""
    mine, theirs = NegativeSums.empty(unit), NegativeSums.empty(unit)
    gap = unit.new_zeros(len(unit))
    for _, rows, teacher_rows in pairs:
        logits = (scale * unit) @ rows.T
        teacher_logits = (scale * teacher_unit) @ teacher_rows.T
        # the difference is taken before the sum: two large numbers must not cancel
        difference = teacher_logits - logits
        absorb_block(mine, logits, rows)
        weights, shrink = absorb_block(theirs, teacher_logits, rows)
        gap = gap * shrink + (weights * difference).sum(dim=1)
    return mine, theirs, gap


def _weight_gradient(
    pairs: _BlockPairs,
    scale: float,
    upstream: Tensor,
    unit: Tensor,
    teacher_unit: Tensor,
    lse: Tensor,
    teacher_lse: Tensor,
) -> Tensor:
    """Second pass: both softmaxes are recomputed block by block."""
    own = pairs.own
    gradient = torch.empty_like(own.weight)
    pull = unit * (upstream * scale)[:, None]
    for low, rows, teacher_rows in pairs:
        mine = ((scale * unit) @ rows.T).sub_(lse[:, None]).exp_()
        theirs = ((scale * teacher_unit) @ teacher_rows.T).sub_(teacher_lse[:, None]).exp_()
        high = low + len(rows)
        of_unit = mine.sub_(theirs).T @ pull
        gradient[low:high] = own.raw_gradient(own.weight[low:high], rows, of_unit)
    return gradient
