"""Shape a teacher to a frozen classifier: all of it, or a linear map behind it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedge.progress import Progress
from embedge.runtime.encoders import unit_rows
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.feeding.batches import Batch, Batches, Variation
from embedge.train.distil import CachedTeacher
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import Curves, fit
from embedge.train.methods.parts.method import Ingredients
from embedge.train.methods.proxyless import Proxyless
from embedge.train.seeds import seeded

__all__ = ["RowBatches", "shaped_map", "shaped_network"]


@dataclass(frozen=True, slots=True)
class RowBatches:
    """Cached embeddings as if they were pictures, mirrored ones among them if they are known."""

    plain: NDArray[np.float16]
    flipped: NDArray[np.float16] | None
    labels: NDArray[np.int64]
    size: int
    seed: int

    def at(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, 2, step))
        index = rng.integers(0, len(self.labels), self.size)
        rows = self.plain[index].astype(np.float32)
        mirrored = (rng.random(self.size) < 0.5) & (self.flipped is not None)
        if self.flipped is not None:
            rows[mirrored] = self.flipped[index[mirrored]]
        return Batch(
            torch.from_numpy(unit_rows(rows)),
            torch.from_numpy(self.labels[index]),
            torch.from_numpy(index),
            Variation(torch.from_numpy(mirrored)),
        )


def shaped_network(
    network: nn.Module,
    frozen: Ingredients,
    faces: FaceDataset,
    schedule: Schedule,
    *,
    seed: int,
    flip: bool,
    folder: Path,
    progress: Progress,
) -> Curves:
    """Train the teacher, in place, against the frozen head."""
    schedule = schedule.over(len(faces))
    method = Proxyless(frozen)
    batches = Batches(faces, schedule.batch, seed, flip=flip, jitter=schedule.jitter)
    return fit(
        "shaped teacher", network, method, batches, schedule, folder=folder, progress=progress
    )


def shaped_map(
    teacher: CachedTeacher,
    frozen: Ingredients,
    labels: NDArray[np.int64],
    schedule: Schedule,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
) -> tuple[Tensor, Curves]:
    """The matrix (dim of the head, dim of the teacher) that suits the head best, and the curves."""
    with seeded(seed):
        linear = nn.Linear(teacher.plain.shape[1], frozen.dim, bias=False)
        nn.init.orthogonal_(linear.weight)
    method = Proxyless(frozen)
    batches = RowBatches(teacher.plain, teacher.flipped, labels, schedule.batch, seed)
    plain = {"amp": "fp32", "channels_last": False, "compile": False}
    schedule = schedule.over(len(labels)).model_copy(update=plain)
    curves = fit("shaping map", linear, method, batches, schedule, folder=folder, progress=progress)
    return linear.weight.detach().cpu(), curves
