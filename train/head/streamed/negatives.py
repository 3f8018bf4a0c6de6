"""One pass over the class blocks: the log-sum-exp of the negatives and its gradient together.

The gradient of a log-sum-exp towards the embedding is the softmax-weighted mean of the rows, which
is attention with keys = values = head. An online softmax therefore yields both in one pass.
The target class is masked in its block; whoever calls joins it analytically.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedge.train.head.streamed.blocks import ClassBlocks

__all__ = ["NegativeSums", "absorb_block", "join_sums", "mask_targets", "streamed_sums"]

# Stands for "nothing seen yet": finite, so that exp(-inf − this) is 0 and not NaN.
_NOTHING = -1e30


@dataclass(slots=True)
class NegativeSums:
    """Per sample: the largest logit, Σ exp(logit − largest), Σ exp(logit − largest)·row."""

    largest: Tensor
    total: Tensor
    rows: Tensor

    @classmethod
    def empty(cls, unit: Tensor) -> "NegativeSums":
        nothing = unit.new_full((len(unit),), _NOTHING)
        return cls(nothing, unit.new_zeros(len(unit)), torch.zeros_like(unit))

    def lse(self) -> Tensor:
        """log Σ exp of the negatives; −inf where a sample has none."""
        return self.largest + self.total.log()

    def mean_rows(self) -> Tensor:
        """Softmax-weighted mean row; zero where a sample has no negatives."""
        return self.rows / self.total.clamp_min(torch.finfo(self.total.dtype).tiny)[:, None]


def join_sums(largest: Tensor, total: Tensor, rows: Tensor) -> NegativeSums:
    """One from many: sums over parts of the classes, stacked in the first dimension."""
    common = largest.amax(dim=0)
    shrink = (largest - common).exp_()
    joined = torch.einsum("pb,pbd->bd", shrink, rows)
    return NegativeSums(common, (total * shrink).sum(dim=0), joined)


def streamed_sums(unit: Tensor, blocks: ClassBlocks, labels: Tensor, scale: float) -> NegativeSums:
    """Labels outside 0…C−1 belong to another part of the head and mask nothing."""
    scaled = unit * scale
    sums = NegativeSums.empty(unit)
    for low, rows in blocks:
        logits = scaled @ rows.T
        mask_targets(logits, labels - low)
        absorb_block(sums, logits, rows)
    return sums


def mask_targets(logits: Tensor, columns: Tensor, value: float = -torch.inf) -> None:
    """Overwrite each sample's own class where it falls into this block, without a host sync."""
    inside = (columns >= 0) & (columns < logits.shape[1])
    place = columns.clamp(0, logits.shape[1] - 1)[:, None]
    kept = logits.gather(1, place)
    logits.scatter_(1, place, kept.masked_fill(inside[:, None], value))


def absorb_block(sums: NegativeSums, logits: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Add a block; its logits become weights, returned with the factor that older sums shrank by.

    In place throughout: the pass is bound by memory wherever it is not bound by the two products.
    """
    largest = torch.maximum(sums.largest, logits.amax(dim=1))
    shrink = (sums.largest - largest).exp_()
    weights = logits.sub_(largest[:, None]).exp_()
    sums.total.mul_(shrink).add_(weights.sum(dim=1))
    sums.rows.mul_(shrink[:, None]).addmm_(weights, rows)
    sums.largest = largest
    return weights, shrink
