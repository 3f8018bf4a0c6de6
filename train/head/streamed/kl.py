"""KL from the teacher's class distribution to the student's, in one pass over the class blocks.

    KL(p_t ‖ p_s) = Σ p_t·(l_t − l_s) − lse_t + lse_s,    d KL / d ẑ_s = (s/T)·(Σ p_s·w − Σ p_t·w)

With one shared head both are rows of one batch: the pass yields each one's log-sum-exp and mean
row, and Σ p_t·(l_t − l_s) is (s/T)·(ẑ_t − ẑ_s)·(the teacher's mean row).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedge.errors import EmbedgeError
from embedge.train.head.streamed.blocks import check_dimensions, unit_rows
from embedge.train.head.streamed.own_head_kl import OwnHeadKL
from embedge.train.head.streamed.reading import Kernel, Reading

__all__ = ["head_kl"]


def head_kl(
    student: Tensor,
    teacher: Tensor,
    weight: Tensor,
    student_weight: Tensor | None = None,
    *,
    scale: float,
    temperature: float,
    block: int | None = None,
    kernel: Kernel = "auto",
) -> Tensor:
    """Per-sample KL(softmax of the teacher's logits ‖ softmax of the student's), (B,).

    `weight` (C, d_t) is the teacher's head, rows of length 1, and the student's too unless
    `student_weight` (C, d_s) is given. Embeddings are normalised here. The teacher's side gets no
    gradient. No factor T² is applied. A `student_weight` that requires a gradient is normalised
    here and gets its gradient from a second pass. `kernel` concerns the shared head; two heads run
    in torch.
    """
    unit, teacher_unit = unit_rows(student), unit_rows(teacher.detach())
    teacher_unit = teacher_unit.to(unit.dtype)
    check_dimensions(teacher_unit, weight)
    factor = scale / temperature
    if student_weight is None:
        check_dimensions(unit, weight)
        reading = Reading(block, True, kernel)
        shared: Callable[..., Tensor] = _SharedHeadKL.apply
        return shared(unit, teacher_unit, weight.detach(), factor, reading)
    _check_classes(student_weight, weight)
    check_dimensions(unit, student_weight)
    normalised = not student_weight.requires_grad
    two: Callable[..., Tensor] = OwnHeadKL.apply
    return two(unit, student_weight, teacher_unit, weight.detach(), factor, block, normalised)


class _SharedHeadKL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        teacher_unit: Tensor,
        weight: Tensor,
        scale: float,
        reading: Reading,
    ) -> Tensor:
        both = torch.cat([unit, teacher_unit])
        nobody = torch.full((len(both),), -1, device=unit.device)
        sums, _ = reading.sums(both, weight, nobody, scale)
        mine, theirs = sums.mean_rows().split(len(unit))
        lse, teacher_lse = sums.lse().split(len(unit))
        ctx.save_for_backward((mine - theirs).mul_(scale))
        gap = ((teacher_unit - unit) * theirs).sum(dim=1).mul_(scale)
        loss: Tensor = gap - teacher_lse + lse
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (direction,) = ctx.saved_tensors
        return direction * upstream[:, None], None, None, None, None


def _check_classes(own: Tensor, weight: Tensor) -> None:
    if own.shape[0] != weight.shape[0]:
        raise EmbedgeError(
            "E-HEAD-CLASSES",
            f"the teacher's head has {weight.shape[0]} classes, the student's {own.shape[0]}",
            remedy="Give two heads over the same classes, in the same order",
        )
