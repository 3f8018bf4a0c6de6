"""How a loss reads a head: all of it here, or this rank's shard of it together with the others."""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedge.train.head.choice import Kernel, negative_sums
from embedge.train.head.streamed.blocks import ClassBlocks, full_precision
from embedge.train.head.streamed.negatives import NegativeSums
from embedge.train.head.streamed.shard import Shard

__all__ = ["Reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Block size, whether rows have length 1, which kernel, and the shard if there are several."""

    block: int | None
    normalised: bool
    kernel: Kernel
    shard: Shard | None

    def blocks(self, weight: Tensor, unit: Tensor) -> ClassBlocks:
        world = self.shard.world if self.shard else 1
        return ClassBlocks.of(weight, world * len(unit), self.block, self.normalised, unit.dtype)

    def sums(
        self,
        unit: Tensor,
        weight: Tensor,
        labels: Tensor,
        scale: float,
    ) -> tuple[NegativeSums, Tensor]:
        """The negatives' sums over all classes of all ranks, and the samples' own rows.

        A label of −1 belongs to no class; its row is zero.
        """
        blocks = self.blocks(weight, unit)
        with full_precision(unit):
            if self.shard is None:
                sums = negative_sums(unit, blocks, labels, scale, kernel=self.kernel)
                return sums, _own_rows(blocks, labels)
            return self._sharded(self.shard, unit, blocks, labels, scale)

    def _sharded(
        self,
        shard: Shard,
        unit: Tensor,
        blocks: ClassBlocks,
        labels: Tensor,
        scale: float,
    ) -> tuple[NegativeSums, Tensor]:
        everyone, everyones = shard.gather(unit), shard.gather(labels) - shard.low
        part = negative_sums(everyone, blocks, everyones, scale, kernel=self.kernel)
        largest, total, shrink = shard.join(part.largest, part.total)
        packed = torch.cat([part.rows * shrink[:, None], _own_rows(blocks, everyones)], dim=1)
        rows, targets = shard.sum_of_own(packed).chunk(2, dim=1)
        return NegativeSums(shard.own(largest), shard.own(total), rows), targets


def _own_rows(blocks: ClassBlocks, labels: Tensor) -> Tensor:
    """Rows of the samples' classes; zero for a class that is not among these."""
    classes, dim = blocks.weight.shape
    if classes == 0:
        return blocks.weight.new_zeros(len(labels), dim, dtype=blocks.dtype)
    inside = (labels >= 0) & (labels < classes)
    return blocks.rows(labels.clamp(0, classes - 1)) * inside[:, None]
