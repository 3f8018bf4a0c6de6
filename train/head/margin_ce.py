"""Margin cross-entropy against a head of any size, without its logits in memory.

With the negatives' log-sum-exp known, the target joins analytically:

    loss = softplus(lse − s·ψ),   q = 1 − p_target = sigmoid(lse − s·ψ)
    d loss / d ẑ = q·s·(mean negative row − ψ'·target row)

Nothing cancels, so a sample whose loss is nearly zero keeps an exact gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from embedge.train.head.blocks import (
    ClassBlocks,
    check_dimensions,
    compute_dtype,
    full_precision,
    unit_rows,
)
from embedge.train.head.choice import Kernel, negative_sums
from embedge.train.head.negatives import mask_targets
from embedge.train.margins import TargetMargin

__all__ = ["margin_ce"]


def margin_ce(
    embeddings: Tensor,
    weight: Tensor,
    labels: Tensor,
    margin: TargetMargin,
    *,
    block: int | None = None,
    weight_is_normalised: bool | None = None,
    bias: Tensor | None = None,
    kernel: Kernel = "auto",
) -> Tensor:
    """Per-sample loss, (B,), in float32 (float64 for float64 embeddings).

    `embeddings` (B, d) need not be normalised: that happens here, and the gradient goes through it.
    `weight` (C, d) in float32, float16 or bfloat16. A frozen one is taken to have unit rows; one
    that requires a gradient is normalised here and gets its gradient from a second pass. Say
    `weight_is_normalised` where that guess is wrong. `bias` (C,) is added to the logits of the
    negatives (the log-Q correction of sampled classes). `kernel` forces an implementation.
    """
    unit = unit_rows(embeddings)
    normalised = not weight.requires_grad if weight_is_normalised is None else weight_is_normalised
    check_dimensions(unit, weight)
    how = (block, normalised, kernel)
    loss: Tensor = _MarginCrossEntropy.apply(unit, weight, labels, margin, how, bias)
    return loss


class _MarginCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        unit: Tensor,
        weight: Tensor,
        labels: Tensor,
        margin: TargetMargin,
        how: tuple[int | None, bool, Kernel],
        bias: Tensor | None,
    ) -> Tensor:
        block, normalised, kernel = how
        blocks = ClassBlocks.of(weight, len(unit), block, normalised, compute_dtype(unit))
        with full_precision(unit):
            sums = negative_sums(unit, blocks, labels, margin.scale, bias=bias, kernel=kernel)
        target_rows = blocks.rows(labels)
        psi, slope = margin.on_target((unit * target_rows).sum(dim=1))
        lse = sums.lse()
        excess = lse - margin.scale * psi
        pull = margin.scale * excess.sigmoid()
        direction = sums.mean_rows() - slope[:, None] * target_rows
        ctx.scale, ctx.size, ctx.normalised = margin.scale, blocks.size, normalised
        extra = (weight, unit, labels, lse, pull, slope, bias) if ctx.needs_input_grad[1] else ()
        ctx.save_for_backward(direction.mul_(pull[:, None]), *extra)
        return -F.logsigmoid(-excess)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        direction, *extra = ctx.saved_tensors
        of_weight = None
        if extra:
            weight, unit, labels, lse, pull, slope, bias = extra
            blocks = ClassBlocks(weight, ctx.size, ctx.normalised, unit.dtype)
            pull = pull * upstream
            with full_precision(unit):
                of_weight = _weight_gradient(
                    unit, blocks, labels, lse, pull, slope, ctx.scale, bias
                )
        return direction * upstream[:, None], of_weight, None, None, None, None


def _weight_gradient(
    unit: Tensor,
    blocks: ClassBlocks,
    labels: Tensor,
    lse: Tensor,
    pull: Tensor,
    slope: Tensor,
    scale: float,
    bias: Tensor | None,
) -> Tensor:
    """Second pass: the probabilities are recomputed block by block."""
    gradient = torch.empty_like(blocks.weight)
    scaled = unit * scale
    for low, rows in blocks:
        logits = scaled @ rows.T
        if bias is not None:
            logits += bias[low : low + len(rows)]
        mask_targets(logits, labels - low)
        weights = logits.sub_(lse[:, None]).exp_().mul_(pull[:, None])
        high = low + len(rows)
        raw = blocks.weight[low:high]
        gradient[low:high] = blocks.raw_gradient(raw, rows, weights.T @ unit)
    targets = -(pull * slope)[:, None] * unit
    targets = blocks.raw_gradient(blocks.weight[labels], blocks.rows(labels), targets)
    return gradient.index_add_(0, labels, targets.to(gradient.dtype))
