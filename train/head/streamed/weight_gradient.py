"""The second pass that a trainable head needs: probabilities are recomputed block by block."""

import torch
from torch import Tensor

from embedge.train.head.streamed.blocks import ClassBlocks, full_precision, mask_targets
from embedge.train.head.streamed.reading import Reading

__all__ = ["weight_gradient"]


def weight_gradient(
    reading: Reading,
    weight: Tensor,
    unit: Tensor,
    labels: Tensor,
    samples: Tensor,
    scale: float,
) -> Tensor:
    """Gradient of the rows. `samples` holds lse, push of the negatives, pull of the target."""
    blocks = reading.blocks(weight, unit)
    lse, push, pull = samples.unbind(dim=1)
    with full_precision(unit):
        gradient = _of_negatives(unit, blocks, labels, lse, push, scale)
    return _add_targets(gradient, unit, blocks, labels, pull)


def _of_negatives(
    unit: Tensor,
    blocks: ClassBlocks,
    labels: Tensor,
    lse: Tensor,
    push: Tensor,
    scale: float,
) -> Tensor:
    gradient = torch.empty_like(blocks.weight)
    scaled = unit * scale
    for low, rows in blocks:
        high = low + len(rows)
        logits = scaled @ rows.T
        mask_targets(logits, labels - low)
        weights = logits.sub_(lse[:, None]).exp_().mul_(push[:, None])
        gradient[low:high] = blocks.raw_gradient(blocks.weight[low:high], rows, weights.T @ unit)
    return gradient


def _add_targets(
    gradient: Tensor, unit: Tensor, blocks: ClassBlocks, labels: Tensor, pull: Tensor
) -> Tensor:
    """Each sample pulls its own row; samples of one class add up."""
    targets = -pull[:, None] * unit
    targets = blocks.raw_gradient(blocks.weight[labels], blocks.rows(labels), targets)
    return gradient.index_add_(0, labels, targets.to(gradient.dtype))
