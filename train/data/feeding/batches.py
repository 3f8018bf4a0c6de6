"""Batches as a function of (seed, step): resuming needs no sampler state."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.feeding.pictures import read_faces
from embedge.train.data.feeding.variation import Variation, pixels

__all__ = ["Batch", "Batches", "share_of"]


@dataclass(frozen=True, slots=True)
class Batch:
    images: Tensor
    """Decoded pictures (N, H, W, 3) of bytes; or embeddings (N, D), which nothing is done to."""
    labels: Tensor
    index: Tensor
    """Which pictures these are, in the face set: cached teacher embeddings are found by it."""
    variation: Variation
    corrupt: tuple[CorruptRecord, ...] = ()
    """Records that could not be read; others stand in for them."""

    @property
    def flipped(self) -> Tensor:
        return self.variation.flipped

    def __getitem__(self, rows: slice) -> "Batch":
        varied = self.variation[rows]
        return Batch(self.images[rows], self.labels[rows], self.index[rows], varied, self.corrupt)

    def pinned(self) -> "Batch":
        """In memory that a GPU can fetch from while it computes."""
        return replace(self, images=self.images.pin_memory(), labels=self.labels.pin_memory())

    def on(self, device: torch.device, layout: torch.memory_format) -> Tensor:
        """What the network is fed, made on the device from bytes."""
        images = self.images.to(device, non_blocking=True)
        if images.dtype != torch.uint8:
            return images.contiguous(memory_format=layout)
        return pixels(self.variation.to(device).of(images)).contiguous(memory_format=layout)


@dataclass(frozen=True, slots=True)
class Batches:
    """Shuffled, varied batches; every picture once per epoch. A rank reads its own share only."""

    faces: FaceDataset
    size: int
    seed: int
    flip: bool = False
    jitter: bool = True
    rank: int = 0
    world: int = 1
    _orders: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    def share(self, rank: int, world: int) -> Self:
        return replace(self, rank=rank, world=world)

    def at(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, 1, step))
        mine = share_of(self.size, self.rank, self.world)
        read = read_faces(self.faces, self._index(step)[mine])
        varied = Variation.drawn(rng, self.size, flip=self.flip, jitter=self.jitter)
        return Batch(
            torch.from_numpy(read.images),
            torch.from_numpy(self.faces.labels[read.index]),
            torch.from_numpy(read.index),
            varied[mine],
            read.corrupt,
        )

    def _index(self, step: int) -> NDArray[np.int64]:
        total = len(self.faces)
        epoch, offset = divmod(step * self.size, total)
        order = self._order(epoch)[offset : offset + self.size]
        while len(order) < self.size:
            epoch += 1
            order = np.concatenate([order, self._order(epoch)[: self.size - len(order)]])
        return order

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch; the last two are kept, for a large set is long to shuffle."""
        if epoch not in self._orders:
            for old in [known for known in self._orders if known != epoch - 1]:
                del self._orders[old]
            self._orders[epoch] = self.faces.order(np.random.default_rng((self.seed, 0, epoch)))
        return self._orders[epoch]


def share_of(size: int, rank: int, world: int) -> slice:
    """The rows of a batch that belong to a rank: consecutive, in the order of the ranks."""
    return slice(size * rank // world, size * (rank + 1) // world)
