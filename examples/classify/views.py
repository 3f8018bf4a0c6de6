"""Pictures of bytes in a few fixed views each, so that a teacher is asked about each view once.

A teacher that sees what its student sees teaches best, and costs more than the student. With as
many views as there are epochs nothing is seen twice; with fewer, all students that a teacher has
share what it said.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from classify.data import Features
from embedge.files import whole_file
from embedge.train.data.feeding.batches import Batch, Variation, pixels

__all__ = ["ViewBatches", "Views", "looked"]

_REACH = 3  # pixels that a view is moved by at most
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Views:
    """`images` (N, H, W, 3) bytes; what teachers say is kept in `folder`."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    views: int
    folder: Path

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def shape(self) -> tuple[int, ...]:
        height, width, channels = self.images.shape[1:]
        return channels, height, width

    def batches(self, size: int, seed: int) -> "ViewBatches":
        return ViewBatches(self, size, seed)

    def varied(self, view: int) -> Variation:
        """How every picture is mirrored and moved in this view."""
        rng = np.random.default_rng((view, 7))
        mirrored = rng.random(len(self)) < 0.5
        moved = rng.integers(-_REACH, _REACH + 1, (len(self), 2))
        return Variation(torch.from_numpy(mirrored), torch.from_numpy(moved))

    def seen_by(self, name: str, backbone: nn.Module) -> Features:
        """Of every view once; kept on disk, so that a second student or call finds it."""
        known: dict[int, NDArray[np.float16]] = {}

        def of(view: int) -> NDArray[np.float16]:
            if view not in known:
                known[view] = self._said(self.folder / f"{name}.view-{view}.npy", backbone, view)
            return known[view]

        def features(batch: Batch) -> Tensor:
            view = int(batch.index[0]) // len(self)  # a batch is of one view
            rows = of(view)[batch.index.numpy() - view * len(self)]
            return torch.from_numpy(rows.astype(np.float32))

        return features

    def _said(self, path: Path, backbone: nn.Module, view: int) -> NDArray[np.float16]:
        if not path.is_file():
            found = looked(backbone, self.images, self.varied(view)).numpy().astype(np.float16)
            with whole_file(path) as part, part.open("wb") as file:
                np.save(file, found)
        rows: NDArray[np.float16] = np.load(path)
        return rows


@dataclass(frozen=True, slots=True)
class ViewBatches:
    """Shuffled batches; every picture once an epoch, in the next of its views."""

    of: Views
    size: int
    seed: int
    _epochs: dict[int, tuple[NDArray[np.int64], Variation]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def at(self, step: int) -> Batch:
        epoch, place = divmod(step, len(self.of) // self.size)
        order, varied = self._epoch(epoch)
        index = order[place * self.size : (place + 1) * self.size]
        view, rows = epoch % self.of.views, torch.from_numpy(index)
        assert varied.moved is not None
        return Batch(
            torch.from_numpy(self.of.images[index]),
            torch.from_numpy(self.of.labels[index]),
            rows + view * len(self.of),
            Variation(varied.flipped[rows], varied.moved[rows]),
        )

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], Variation]:
        """Its order and view; drawn once, and not for every step."""
        if epoch not in self._epochs:
            order = np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.of))
            self._epochs.clear()
            self._epochs[epoch] = order, self.of.varied(epoch % self.of.views)
        return self._epochs[epoch]


@torch.no_grad()
def looked(
    backbone: nn.Module, images: NDArray[np.uint8], varied: Variation | None = None
) -> Tensor:
    """What the backbone says of all pictures."""
    backbone.eval()
    rows = []
    for first in range(0, len(images), _TOGETHER):
        part = torch.from_numpy(images[first : first + _TOGETHER])
        if varied is not None:
            part = varied[first : first + _TOGETHER].of(part)
        with torch.autocast("cpu", torch.bfloat16):
            rows.append(backbone(pixels(part)).float())
    return torch.cat(rows)
