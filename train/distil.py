"""Distil a student: one call, whatever the method."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embedge.progress import Progress
from embedge.train.data.dataset import FaceDataset
from embedge.train.data.feeding.batches import Batch, Batches
from embedge.train.loop.checks import TrainingChecks
from embedge.train.loop.schedule import Schedule
from embedge.train.loop.training import Curves, fit
from embedge.train.methods import Ingredients, Method, Projected, method_named
from embedge.train.seeds import seeded

__all__ = ["CachedTeacher", "Lesson", "train_student"]


@dataclass(frozen=True, slots=True)
class CachedTeacher:
    """The teacher's embeddings of every training picture, computed once."""

    plain: NDArray[np.float16]
    flipped: NDArray[np.float16] | None = None
    rows: NDArray[np.int64] | None = None
    """where only some pictures are learnt from: which row is whose"""

    def __call__(self, batch: Batch) -> Tensor:
        index = batch.index.numpy()
        index = index if self.rows is None else self.rows[index]
        rows = self.plain[index]
        if self.flipped is not None:
            mirrored = batch.flipped.numpy()
            rows[mirrored] = self.flipped[index[mirrored]]
        return torch.from_numpy(rows.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a student learns from: by which method, which faces, and who teaches."""

    method: str
    ingredients: Ingredients
    faces: FaceDataset
    teacher: CachedTeacher | None
    flip: bool = False
    lift_from: int | None = None
    """the student's own dimension, where a projection lifts it to the teacher's"""


def train_student(
    name: str,
    network: nn.Module,
    lesson: Lesson,
    schedule: Schedule,
    *,
    seed: int,
    folder: Path,
    progress: Progress,
    checks: TrainingChecks | None = None,
) -> tuple[Curves, Tensor | None]:
    """Train `network` in place; return the curves and the head it trained for itself, if any."""
    schedule = schedule.over(len(lesson.faces))
    with seeded(seed):
        method: Method = method_named(lesson.method, lesson.ingredients)
        if lesson.lift_from is not None:
            method = Projected(method, lesson.lift_from)
    curves = fit(
        name,
        network,
        method,
        Batches(lesson.faces, schedule.batch, seed, flip=lesson.flip, jitter=schedule.jitter),
        schedule,
        folder=folder,
        progress=progress,
        teacher=lesson.teacher if method.needs_teacher else None,
        checks=checks,
    )
    head = method.classifier()
    return curves, None if head is None else head.detach()
