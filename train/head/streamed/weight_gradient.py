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
    shard = reading.shard
    if shard is not None:
        unit, samples = shard.gather(unit), shard.gather(samples)
        labels = shard.gather(labels) - shard.low
        samples[:, 1:] /= shard.world
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
    """Each sample pulls its own row, if that is here; samples of one class add up."""
    classes = len(blocks.weight)
    if classes == 0:
        return gradient
    here = (labels >= 0) & (labels < classes)
    place = labels.clamp(0, classes - 1)
    targets = -(pull * here)[:, None] * unit
    targets = blocks.raw_gradient(blocks.weight[place], blocks.rows(place), targets)
    return gradient.index_add_(0, place, targets.to(gradient.dtype))
