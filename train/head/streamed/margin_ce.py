"""Margin cross-entropy against a head of any size, without its logits in memory.

With the negatives' log-sum-exp known, the target joins analytically:

    loss = softplus(lse − s·ψ),   q = 1 − p_target = sigmoid(lse − s·ψ)
    d loss / d ẑ = q·s·(mean negative row − ψ'·target row)

Nothing cancels, so a sample whose loss is nearly zero keeps an exact gradient.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedge.train.head.margins import TargetMargin
from embedge.train.head.streamed.blocks import check_dimensions, check_labels, unit_rows
from embedge.train.head.streamed.reading import Kernel, Reading
from embedge.train.head.streamed.weight_gradient import weight_gradient

__all__ = ["margin_ce"]


def margin_ce(
    embeddings: Tensor,
    weight: Tensor,
    labels: Tensor,
    margin: TargetMargin,
    *,
    block: int | None = None,
    kernel: Kernel = "auto",
) -> Tensor:
    """Per-sample loss, (B,), in float32 (float64 for float64 embeddings).

    `embeddings` (B, d) need not be normalised: that happens here, and the gradient goes through it.
    `weight` (C, d) in float32, float16 or bfloat16. A frozen one is taken to have unit rows; one
    that requires a gradient is normalised here and gets its gradient from a second pass. `kernel`
    forces an implementation.
    """
    unit = unit_rows(embeddings)
    check_dimensions(unit, weight)
    check_labels(labels, len(weight))
    reading = Reading(block, not weight.requires_grad, kernel)
    loss: Callable[..., Tensor] = _MarginCrossEntropy.apply
    return loss(unit, weight, labels, margin, reading)


class _MarginCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        weight: Tensor,
        labels: Tensor,
        margin: TargetMargin,
        reading: Reading,
    ) -> Tensor:
        sums, target_rows = reading.sums(unit, weight, labels, margin.scale)
        psi, slope = margin.on_target((unit * target_rows).sum(dim=1))
        lse = sums.lse()
        excess = lse - margin.scale * psi
        pull = margin.scale * excess.sigmoid()
        direction = (sums.mean_rows() - slope[:, None] * target_rows).mul_(pull[:, None])
        ctx.scale, ctx.reading = margin.scale, reading
        extra = (weight, unit, labels, lse, pull, slope) if ctx.needs_input_grad[1] else ()
        ctx.save_for_backward(direction, *extra)
        return -F.logsigmoid(-excess)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        direction, *extra = ctx.saved_tensors
        of_weight = None
        if extra:
            weight, unit, labels, lse, pull, slope = extra
            samples = torch.stack([lse, pull * upstream, pull * upstream * slope], dim=1)
            of_weight = weight_gradient(ctx.reading, weight, unit, labels, samples, ctx.scale)
        return direction * upstream[:, None], of_weight, None, None, None
