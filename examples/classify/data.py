"""Labelled pictures as tensors, and batches of them by step."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from embedge.train.data.feeding.batches import Batch, Variation

__all__ = ["PictureBatches", "Pictures"]


@dataclass(frozen=True, slots=True)
class Pictures:
    """`images` (N, C, H, W) float32, `labels` (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


@dataclass(frozen=True, slots=True)
class PictureBatches:
    """Shuffled batches as a function of (seed, step), moved by up to a pixel."""

    pictures: Pictures
    size: int
    seed: int

    def at(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, 3, step))
        index = torch.from_numpy(rng.choice(len(self.pictures), self.size, replace=False))
        moves = rng.integers(-1, 2, 2).tolist()
        images = torch.roll(self.pictures.images[index], moves, dims=(2, 3))
        untouched = torch.zeros(self.size, dtype=torch.bool)
        return Batch(images, self.pictures.labels[index], index, Variation(untouched))
