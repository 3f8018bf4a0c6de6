"""Labelled pictures as tensors, and batches of them by step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from embedge.train.data.feeding.batches import Batch, Variation
from embedge.train.data.feeding.feed import Source

__all__ = ["Course", "Features", "PictureBatches", "Pictures"]

Features = Callable[[Batch], Tensor]


class Course(Protocol):
    """What there is to learn, and what a teacher says about it."""

    @property
    def classes(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]:
        """Of one picture, as a network is fed."""
        ...

    def batches(self, size: int, seed: int) -> Source: ...
    def seen_by(self, name: str, backbone: nn.Module) -> Features:
        """The teacher of that name's features of a batch."""
        ...


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

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])

    def batches(self, size: int, seed: int) -> Source:
        return PictureBatches(self, size, seed)

    def seen_by(self, _: str, backbone: nn.Module) -> Features:
        """Asked anew about every batch, which no two steps share."""

        def features(batch: Batch) -> Tensor:
            with torch.no_grad():
                seen: Tensor = backbone.eval()(batch.images)
            return seen

        return features


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
