"""Distil a student: one call, whatever the method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedge.progress import Progress
from embedge.train.data.batches import Batch, Batches
from embedge.train.data.faces import FaceSet
from embedge.train.loop import Plan, fit
from embedge.train.methods import Ingredients, method_named
from embedge.train.seeds import seeded

__all__ = ["CachedTeacher", "train_student"]


@dataclass(frozen=True, slots=True)
class CachedTeacher:
    """The teacher's embeddings of every training picture, computed once."""

    plain: NDArray[np.float16]
    flipped: NDArray[np.float16] | None = None

    def __call__(self, batch: Batch) -> Tensor:
        rows = self.plain[batch.index.numpy()]
        if self.flipped is not None:
            mirrored = batch.flipped.numpy()
            rows[mirrored] = self.flipped[batch.index.numpy()[mirrored]]
        return torch.from_numpy(rows.astype(np.float32))


def train_student(
    name: str,
    network: nn.Module,
    method_name: str,
    ingredients: Ingredients,
    faces: FaceSet,
    plan: Plan,
    *,
    teacher: CachedTeacher | None,
    seed: int,
    flip: bool,
    folder: Path,
    progress: Progress,
) -> dict[str, list[float]]:
    """Train `network` in place; the method's own parameters end with this call."""
    with seeded(seed):
        method = method_named(method_name, ingredients)
    batches = Batches(faces, plan.batch, seed, flip=flip)
    lookup = teacher if method.needs_teacher else None
    return fit(
        name, network, method, batches, plan, folder=folder, progress=progress, teacher=lookup
    )
