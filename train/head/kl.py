"""KL from the teacher's class distribution to the student's, in one pass over the class blocks.

    KL(p_t ‖ p_s) = Σ p_t·(l_t − l_s) − lse_t + lse_s,    d KL / d ẑ_s = (s/T)·(Σ p_s·w − Σ p_t·w)

Both distributions run as online softmaxes side by side; with one shared head each block is read
once for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedge.errors import EmbedgeError
from embedge.train.head.blocks import ClassBlocks, check_dimensions, full_precision, unit_rows

__all__ = ["head_kl"]

_NOTHING = -1e30


def head_kl(
    student: Tensor,
    teacher: Tensor,
    weight: Tensor,
    student_weight: Tensor | None = None,
    *,
    scale: float = 64.0,
    temperature: float = 1.0,
    block: int | None = None,
    weight_is_normalised: bool = True,
    student_weight_is_normalised: bool | None = None,
) -> Tensor:
    """Per-sample KL(softmax of the teacher's logits ‖ softmax of the student's), (B,).

    `weight` (C, d_t) is the teacher's head, and the student's too unless `student_weight` (C, d_s)
    is given. Embeddings are normalised here. The teacher's side gets no gradient. No factor T² is
    applied. A `student_weight` that requires a gradient gets it from a second pass.
    """
    own = weight.detach() if student_weight is None else student_weight
    if own.shape[0] != weight.shape[0]:
        raise EmbedgeError(
            "E-HEAD-CLASSES",
            f"the teacher's head has {weight.shape[0]} classes, the student's {own.shape[0]}",
            remedy="Give two heads over the same classes, in the same order",
        )
    if student_weight is None:
        own_normalised = weight_is_normalised
    else:
        own_normalised = not own.requires_grad
        if student_weight_is_normalised is not None:
            own_normalised = student_weight_is_normalised
    unit = unit_rows(student)
    teacher_unit = unit_rows(teacher.detach()).to(unit.dtype)
    check_dimensions(unit, own)
    check_dimensions(teacher_unit, weight)
    loss: Tensor = _HeadKL.apply(
        unit,
        own,
        teacher_unit,
        None if student_weight is None else weight.detach(),
        scale / temperature,
        block,
        (own_normalised, weight_is_normalised),
    )
    return loss


@dataclass(slots=True)
class _Softmax:
    """A running softmax: largest logit, Σ exp, and Σ exp·row of the student's head."""

    largest: Tensor
    total: Tensor
    rows: Tensor

    @classmethod
    def empty(cls, unit: Tensor) -> "_Softmax":
        count = len(unit)
        zeros = unit.new_zeros(count)
        return cls(unit.new_full((count,), _NOTHING), zeros, torch.zeros_like(unit))

    def absorb(self, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Take in a block; return its weights and the factor that older sums shrank by."""
        largest = torch.maximum(self.largest, logits.amax(dim=1))
        shrink = (self.largest - largest).exp_()
        weights = (logits - largest[:, None]).exp_()
        self.total = self.total * shrink + weights.sum(dim=1)
        self.rows.mul_(shrink[:, None]).addmm_(weights, rows)
        self.largest = largest
        return weights, shrink

    def lse(self) -> Tensor:
        return self.largest + self.total.log()


class _HeadKL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        own: Tensor,
        teacher_unit: Tensor,
        teacher_weight: Tensor | None,
        scale: float,
        block: int | None,
        normalised: tuple[bool, bool],
    ) -> Tensor:
        own_blocks = ClassBlocks.of(own, 2 * len(unit), block, normalised[0], unit.dtype)
        pairs = _BlockPairs(own_blocks, teacher_weight, normalised[1])
        with full_precision(unit):
            mine, theirs, gap = _two_softmaxes(unit, teacher_unit, pairs, scale)
        direction = mine.rows / mine.total[:, None] - theirs.rows / theirs.total[:, None]
        lse, teacher_lse = mine.lse(), theirs.lse()
        ctx.scale, ctx.size, ctx.normalised = scale, own_blocks.size, normalised
        extra = (own, teacher_weight, unit, teacher_unit, lse, teacher_lse)
        ctx.save_for_backward(direction.mul_(scale), *(extra if ctx.needs_input_grad[1] else ()))
        return gap / theirs.total - teacher_lse + lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        direction, *extra = ctx.saved_tensors
        of_weight = None
        if extra:
            own, teacher_weight, unit, *rest = extra
            blocks = ClassBlocks(own, ctx.size, ctx.normalised[0], unit.dtype)
            pairs = _BlockPairs(blocks, teacher_weight, ctx.normalised[1])
            with full_precision(unit):
                of_weight = _weight_gradient(pairs, ctx.scale, upstream, unit, *rest)
        return direction * upstream[:, None], of_weight, None, None, None, None, None


def _two_softmaxes(
    unit: Tensor, teacher_unit: Tensor, pairs: "_BlockPairs", scale: float
) -> tuple[_Softmax, _Softmax, Tensor]:
    """The student's and the teacher's sums, and Σ exp(l_t)·(l_t − l_s) on the teacher's shift."""
    mine, theirs = _Softmax.empty(unit), _Softmax.empty(unit)
    gap = unit.new_zeros(len(unit))
    for _, rows, teacher_rows in pairs:
        logits = (scale * unit) @ rows.T
        teacher_logits = (scale * teacher_unit) @ teacher_rows.T
        mine.absorb(logits, rows)
        weights, shrink = theirs.absorb(teacher_logits, rows)
        # the difference is taken before the sum, so that equal logits give exactly nothing
        gap = gap * shrink + (weights * teacher_logits.sub_(logits)).sum(dim=1)
    return mine, theirs, gap


@dataclass(frozen=True, slots=True)
class _BlockPairs:
    """The student's and the teacher's rows of the same classes, read once if shared."""

    own: ClassBlocks
    teacher_weight: Tensor | None
    teacher_normalised: bool

    def __iter__(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        if self.teacher_weight is None:
            for low, rows in self.own:
                yield low, rows, rows
            return
        theirs = ClassBlocks(
            self.teacher_weight, self.own.size, self.teacher_normalised, self.own.dtype
        )
        for (low, rows), (_, teacher_rows) in zip(self.own, theirs, strict=True):
            yield low, rows, teacher_rows


def _weight_gradient(
    pairs: _BlockPairs,
    scale: float,
    upstream: Tensor,
    unit: Tensor,
    teacher_unit: Tensor,
    lse: Tensor,
    teacher_lse: Tensor,
) -> Tensor:
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
