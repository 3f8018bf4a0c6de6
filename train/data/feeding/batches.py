"""Batches as a function of (seed, step): resuming needs no sampler state.

Small changes are drawn on the host and made where the network is: bytes cross to the device as they
were decoded. The draws are of the whole batch, so any number of processes changes each picture in
the same way.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.feeding.pictures import read_faces

__all__ = ["Batch", "Batches", "Variation", "pixels", "share_of"]

_REACH = 3  # pixels that a picture moves at most


@dataclass(frozen=True, slots=True)
class Variation:
    """Which pictures are mirrored, how far each moves, and its light as (gain, shift)."""

    flipped: Tensor
    moved: Tensor | None = None
    light: Tensor | None = None

    @classmethod
    def drawn(cls, rng: np.random.Generator, size: int, *, flip: bool, jitter: bool) -> "Variation":
        flipped = torch.from_numpy((rng.random(size) < 0.5) & flip)
        if not jitter:
            return cls(flipped)
        moved = rng.integers(0, 2 * _REACH + 1, (size, 2)) - _REACH
        light = [rng.uniform(0.85, 1.15, size), rng.uniform(-15, 15, size)]
        both = np.stack(light, axis=1).astype(np.float32)
        return cls(flipped, torch.from_numpy(moved), torch.from_numpy(both))

    def __getitem__(self, rows: slice) -> "Variation":
        moved = None if self.moved is None else self.moved[rows]
        light = None if self.light is None else self.light[rows]
        return Variation(self.flipped[rows], moved, light)

    def to(self, device: torch.device) -> "Variation":
        def there(rows: Tensor | None) -> Tensor | None:
            return None if rows is None else rows.to(device, non_blocking=True)

        flipped = self.flipped.to(device, non_blocking=True)
        return Variation(flipped, there(self.moved), there(self.light))

    def of(self, images: Tensor) -> Tensor:
        """Pictures (N, H, W, 3) of bytes, changed; still bytes unless their light is."""
        images = torch.where(self.flipped.view(-1, 1, 1, 1), images.flip(2), images)
        if self.moved is not None:
            images = _moved(images, self.moved)
        if self.light is not None:
            gain, shift = self.light.view(-1, 2, 1, 1, 1).unbind(1)
            # floored as bytes would be: a run gives the same weights wherever it is changed
            images = images.float().mul_(gain).add_(shift).clamp_(0, 255).floor_()
        return images


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


def _moved(images: Tensor, moved: Tensor) -> Tensor:
    """Each picture by its own pixels; the edge is drawn out."""
    count, height, width = images.shape[:3]
    down = torch.arange(height, device=images.device) + moved[:, :1]
    right = torch.arange(width, device=images.device) + moved[:, 1:]
    which = torch.arange(count, device=images.device).view(-1, 1, 1)
    rows, columns = down.clamp_(0, height - 1), right.clamp_(0, width - 1)
    return images[which, rows[:, :, None], columns[:, None, :]]


def pixels(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """NHWC in 0 … 255 to what the networks eat: float NCHW in [-1, 1], channels last in memory."""
    held = torch.from_numpy(np.array(images)) if isinstance(images, np.ndarray) else images
    # a copy of its own in any case: it is changed in place
    return held.permute(0, 3, 1, 2).to(torch.float32, copy=True).sub_(127.5).div_(127.5)
