"""What every distillation method shares: the shape of its loss and what it may look at.

A method is a module called with a `Sample`. What it trains beside the student are its parameters;
what it borrows from the teacher are buffers that no checkpoint holds. Neither is exported.
Its attribute `needs_teacher` says whether samples must carry the teacher's embeddings.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from embedge.train.margins import Margin

__all__ = ["Ingredients", "Loss", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch as a method sees it; `teacher` holds the teacher's embeddings where it asked."""

    student: Tensor
    labels: Tensor
    teacher: Tensor | None


@dataclass(frozen=True, slots=True)
class Loss:
    """The scalar to minimise and its parts, for the training curves."""

    total: Tensor
    parts: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a method is made from. `head` has the teacher's class centres as unit rows."""

    classes: int
    dim: int
    head: Tensor
    margin: Margin
    a: float = 0.5
    alpha: float = 1.0
    beta: float = 1.0
    temperature: float = 1.0

    @classmethod
    def without_teacher(cls, classes: int, dim: int, margin: Margin) -> "Ingredients":
        return cls(classes, dim, torch.empty(0, dim), margin)
