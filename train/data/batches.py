"""Batches as a function of (seed, step): resuming needs no sampler state."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedge.train.data.faces import FaceSet

__all__ = ["Batch", "Batches", "pixels"]


@dataclass(frozen=True, slots=True)
class Batch:
    images: Tensor
    labels: Tensor
    index: Tensor
    """Which pictures these are, in the face set: cached teacher embeddings are found by it."""
    flipped: Tensor


@dataclass(frozen=True, slots=True)
class Batches:
    """Shuffled, augmented batches; every picture once per epoch."""

    faces: FaceSet
    size: int
    seed: int
    flip: bool = False

    def at(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, 1, step))
        index = self._index(step)
        images = np.ascontiguousarray(self.faces.images[np.sort(index)][_rank(index)])
        flipped = (rng.random(len(index)) < 0.5) & self.flip
        images[flipped] = images[flipped, :, ::-1]
        return Batch(
            pixels(_jitter(images, rng)),
            torch.from_numpy(self.faces.labels[index]),
            torch.from_numpy(index),
            torch.from_numpy(flipped),
        )

    def __iter__(self) -> Iterator[Batch]:
        step = 0
        while True:
            yield self.at(step)
            step += 1

    def _index(self, step: int) -> NDArray[np.int64]:
        total = len(self.faces)
        epoch, offset = divmod(step * self.size, total)
        order = self._order(epoch)[offset : offset + self.size]
        if len(order) < self.size:
            order = np.concatenate([order, self._order(epoch + 1)[: self.size - len(order)]])
        return order

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.faces))


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """uint8 NHWC to what the networks eat: float NCHW in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().sub_(127.5).div_(127.5)


def _rank(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Reading a memory map in ascending order is kinder to the disk; this restores the order."""
    return np.argsort(np.argsort(index, kind="stable"), kind="stable")


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
    return np.clip(moved * gain + shift, 0, 255).astype(np.uint8)
