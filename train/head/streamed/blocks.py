"""A head read block by block, and what a pass over its blocks sums up.

Rows are of unit length and in the arithmetic's dtype, never a whole copy. The gradient of a
log-sum-exp towards the embedding is the softmax-weighted mean of the rows, which is attention with
keys = values = head: an online softmax yields both in one pass. The target class is masked in its
block; whoever calls joins it analytically.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from embedge.errors import EmbedgeError

__all__ = [
    "ClassBlocks",
    "NegativeSums",
    "absorb_block",
    "check_dimensions",
    "check_labels",
    "compute_dtype",
    "default_rows",
    "full_precision",
    "join_sums",
    "mask_targets",
    "streamed_sums",
    "unit_rows",
]

# Numbers of logits in one block: on a CPU they stay in the second-level cache, on a GPU they are
# enough to fill the machine.
_CPU_LOGITS = 1 << 18
_GPU_LOGITS = 1 << 24
_FEWEST_ROWS = 256
_MOST_ROWS = 1 << 16

# Stands for "nothing seen yet": finite, so that exp(-inf − this) is 0 and not NaN.
_NOTHING = -1e30


@dataclass(frozen=True, slots=True)
class ClassBlocks:
    """The rows of a head in blocks of `size`; `normalised` says that they already have length 1."""

    weight: Tensor
    size: int
    normalised: bool
    dtype: torch.dtype

    @classmethod
    def of(
        cls, weight: Tensor, batch: int, block: int | None, normalised: bool, dtype: torch.dtype
    ) -> "ClassBlocks":
        if block is not None and block < 1:
            raise EmbedgeError(
                "E-HEAD-BLOCK",
                f"a block of {block} classes was asked for",
                remedy="Give a positive number of classes, or none to let the machine decide",
            )
        return cls(weight, block or default_rows(batch, on_gpu=weight.is_cuda), normalised, dtype)

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        """Yield (first class, unit rows)."""
        for low in range(0, self.weight.shape[0], self.size):
            yield low, self._unit(self.weight[low : low + self.size])

    def rows(self, classes: Tensor) -> Tensor:
        """Unit rows of single classes, in the order asked for."""
        return self._unit(self.weight[classes])

    def raw_gradient(self, rows: Tensor, unit: Tensor, gradient: Tensor) -> Tensor:
        """Carry a gradient of unit rows back through their normalisation to the rows themselves."""
        if self.normalised:
            return gradient
        length: Tensor = rows.to(self.dtype).norm(dim=1, keepdim=True).clamp_min(1e-12)
        raw: Tensor = (gradient - unit * (unit * gradient).sum(dim=1, keepdim=True)) / length
        return raw

    def _unit(self, rows: Tensor) -> Tensor:
        rows = rows.to(self.dtype)
        return rows if self.normalised else F.normalize(rows)


def compute_dtype(embeddings: Tensor) -> torch.dtype:
    """Half precision is for storage; the arithmetic is float32, or float64 when asked for."""
    return torch.float64 if embeddings.dtype == torch.float64 else torch.float32


def unit_rows(embeddings: Tensor) -> Tensor:
    """L2-normalised embeddings, with the gradient through the normalisation."""
    return F.normalize(embeddings.to(compute_dtype(embeddings)))


def full_precision(tensor: Tensor) -> torch.autocast:
    """Keep autocast's half precision out of logits that are multiplied by a scale of 64."""
    return torch.autocast(tensor.device.type, enabled=False)


def check_dimensions(embeddings: Tensor, weight: Tensor) -> None:
    if embeddings.shape[1] != weight.shape[1]:
        raise EmbedgeError(
            "E-HEAD-DIM",
            f"embeddings have {embeddings.shape[1]} dimensions, the head has {weight.shape[1]}",
            remedy="Give the student the head's dimension, or choose a projection in the recipe",
        )


def check_labels(labels: Tensor, classes: int) -> None:
    """Away from the host the check is asynchronous, so that it costs no wait."""
    fine = ((labels >= 0) & (labels < classes)).all()
    if labels.device.type != "cpu":
        torch._assert_async(fine, f"a label lies outside 0…{classes - 1}")
    elif not fine:
        raise EmbedgeError(
            "E-HEAD-LABEL",
            f"a label lies outside 0…{classes - 1}: {labels.min()} to {labels.max()}",
            remedy="Number the identities from 0, and use the head that was made for them",
        )


def default_rows(batch: int, *, on_gpu: bool) -> int:
    """Classes per block where nobody says."""
    logits = _GPU_LOGITS if on_gpu else _CPU_LOGITS
    return min(max(logits // max(batch, 1), _FEWEST_ROWS), _MOST_ROWS)


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
    """A label of −1 masks nothing."""
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
