"""Batches as a function of (seed, step): resuming needs no sampler state."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedge.train.data.dataset import CorruptRecord, FaceDataset
from embedge.train.data.feeding.pictures import read_faces

__all__ = ["Batch", "Batches", "pixels"]


@dataclass(frozen=True, slots=True)
class Batch:
    images: Tensor
    labels: Tensor
    index: Tensor
    """Which pictures these are, in the face set: cached teacher embeddings are found by it."""
    flipped: Tensor
    corrupt: tuple[CorruptRecord, ...] = ()
    """Records that could not be read; others stand in for them."""

    def __getitem__(self, rows: slice) -> "Batch":
        return Batch(self.images[rows], self.labels[rows], self.index[rows], self.flipped[rows])


@dataclass(frozen=True, slots=True)
class Batches:
    """Shuffled, augmented batches; every picture once per epoch."""

    faces: FaceDataset
    size: int
    seed: int
    flip: bool = False
    _orders: dict[int, NDArray[np.int64]] = field(default_factory=dict, repr=False, compare=False)

    def at(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, 1, step))
        read = read_faces(self.faces, self._index(step))
        index, images = read.index, read.images
        flipped = (rng.random(len(index)) < 0.5) & self.flip
        images[flipped] = images[flipped, :, ::-1]
        return Batch(
            pixels(_jitter(images, rng)),
            torch.from_numpy(self.faces.labels[index]),
            torch.from_numpy(index),
            torch.from_numpy(flipped),
            read.corrupt,
        )

    def _index(self, step: int) -> NDArray[np.int64]:
        total = len(self.faces)
        epoch, offset = divmod(step * self.size, total)
        order = self._order(epoch)[offset : offset + self.size]
        if len(order) < self.size:
            order = np.concatenate([order, self._order(epoch + 1)[: self.size - len(order)]])
        return order

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch; the last two are kept, for a large set is long to shuffle."""
        if epoch not in self._orders:
            for old in [known for known in self._orders if known != epoch - 1]:
                del self._orders[old]
            self._orders[epoch] = self.faces.order(np.random.default_rng((self.seed, 0, epoch)))
        return self._orders[epoch]


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8 NHWC to what the networks eat: float NCHW in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5)


def _jitter(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Shift by up to three pixels and change the light a little."""
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="edge")
    side = images.shape[1]
    moved = np.stack(
        [
            picture[y : y + side, x : x + side]
            for picture, (y, x) in zip(padded, rng.integers(0, 7, (len(images), 2)))
        ]
    )
    gain = rng.uniform(0.85, 1.15, (len(images), 1, 1, 1)).astype(np.float32)
    shift = rng.uniform(-15, 15, (len(images), 1, 1, 1)).astype(np.float32)
    relit = moved * gain
    relit += shift
    return np.clip(relit, 0, 255, out=relit).astype(np.uint8)
