"""Small changes of a picture for training: drawn on the host, made where the network is.

Bytes cross to the device as they were decoded. The draws are a function of (seed, step) and of the
whole batch, so any number of processes changes each picture in the same way.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Variation", "pixels"]

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
