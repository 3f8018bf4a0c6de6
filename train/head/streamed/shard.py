"""One rank's share of a head's classes, and what the ranks tell each other about it."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from embedge.errors import EmbedgeError

__all__ = ["Shard", "shard_range"]


def shard_range(classes: int, rank: int, world: int) -> tuple[int, int]:
    """Classes low…high−1 of a rank: contiguous, sizes differ by at most one, any world size."""
    if not 0 <= rank < world:
        raise EmbedgeError(
            "E-HEAD-RANK",
            f"there is no rank {rank} among {world}",
            remedy="Count ranks from 0 to the world size minus one",
        )
    share, left = divmod(classes, world)
    low = rank * share + min(rank, left)
    return low, low + share + (rank < left)


@dataclass(frozen=True, slots=True)
class Shard:
    """Which of all classes this rank holds, and with whom it shares them."""

    low: int
    high: int
    classes: int
    group: Any = None

    @classmethod
    def of(cls, classes: int, group: Any = None) -> "Shard":
        """This rank's share of `classes`; torch.distributed must be initialised."""
        low, high = shard_range(classes, dist.get_rank(group), dist.get_world_size(group))
        return cls(low, high, classes, group)

    @property
    def world(self) -> int:
        return dist.get_world_size(self.group)

    @property
    def rank(self) -> int:
        return dist.get_rank(self.group)

    def gather(self, tensor: Tensor) -> Tensor:
        """Every rank's tensor, one after the other. All must have the same shape."""
        gathered = tensor.new_empty(self.world * len(tensor), *tensor.shape[1:])
        dist.all_gather_into_tensor(gathered, tensor.contiguous(), group=self.group)
        return gathered

    def sum_of_own(self, tensor: Tensor) -> Tensor:
        """Add up all ranks' tensors; each rank keeps the part that belongs to its own samples."""
        own = tensor.new_empty(len(tensor) // self.world, *tensor.shape[1:])
        dist.reduce_scatter_tensor(own, tensor.contiguous(), group=self.group)
        return own

    def own(self, tensor: Tensor) -> Tensor:
        """This rank's part of something gathered."""
        return tensor.chunk(self.world)[self.rank]

    def join(self, largest: Tensor, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Combine the ranks' running sums of the same samples: (largest, total, own shrinkage)."""
        pairs = self.gather(torch.stack([largest, total])[None])
        common = pairs[:, 0].amax(dim=0)
        totals = (pairs[:, 1] * (pairs[:, 0] - common).exp()).sum(dim=0)
        return common, totals, (largest - common).exp()
