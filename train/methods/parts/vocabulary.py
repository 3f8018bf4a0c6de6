"""What every distillation method shares: the shape of its loss and what it may look at.

A method is a module called with a `Sample`. What it trains beside the student are its parameters;
what it borrows from the teacher are buffers that no checkpoint holds. Neither is exported.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from embedge.train.head.margins import Margin, TargetMargin
from embedge.train.head.quality import UsualLength

__all__ = ["Ingredients", "Loss", "Method", "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch as a method sees it; `teacher` holds the teacher's embeddings where it asked."""

    student: Tensor
    labels: Tensor
    teacher: Tensor | None
    done: float = 0.0
    """share of the training that is behind, for curricula"""

    @property
    def target(self) -> Tensor:
        """The teacher's embeddings, for methods that cannot do without."""
        if self.teacher is None:
            raise ValueError("this method needs the teacher's embeddings")
        return self.teacher


@dataclass(frozen=True, slots=True)
class Loss:
    """The scalar to minimise and its parts, for the training curves."""

    total: Tensor
    parts: dict[str, Tensor]

    @classmethod
    def weighted(cls, terms: dict[str, tuple[float, Tensor]]) -> "Loss":
        """The sum of (weight, value). A weight of one does not multiply: it keeps every bit."""
        values = [value if weight == 1 else weight * value for weight, value in terms.values()]
        return cls(sum(values[1:], start=values[0]), {k: value for k, (_, value) in terms.items()})


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a method is made from. `head` has the teacher's class centres as unit rows.

    The numbers are those of the recipe's `distill` section and are explained there.
    """

    classes: int
    dim: int
    head: Tensor
    margin: Margin
    a: float = 0.5
    alpha: float = 1.0
    beta: float = 1.0
    temperature: float = 1.0
    tau: float = 0.99
    relation_distance: float = 25.0
    relation_angle: float = 50.0
    adapt_from: float | None = None

    @classmethod
    def without_teacher(cls, classes: int, dim: int, margin: Margin) -> "Ingredients":
        return cls(classes, dim, torch.empty(0, dim), margin)


class Method(nn.Module):
    """`settings` names the ingredients that the loss depends on, beside margin and head."""

    settings: ClassVar[tuple[str, ...]] = ()
    borrows: ClassVar[bool] = True
    """whether the teacher's head or embeddings enter the loss at all"""
    shares_space: ClassVar[bool] = True
    """whether the student ends in the teacher's space, so that their embeddings can be compared"""
    needs_teacher = False
    """whether samples must carry the teacher's embeddings"""

    def __init__(self, ingredients: Ingredients):
        super().__init__()
        self.ingredients = ingredients
        self.margin = ingredients.margin
        self.usual = UsualLength() if ingredients.margin.quality else None

    def margin_for(self, sample: Sample) -> TargetMargin:
        """The margin of this batch; to be asked for once a step."""
        return self.margin if self.usual is None else self.usual(sample.student, self.margin)

    def classifier(self) -> Tensor | None:
        """The head that was trained beside the student, where there is one."""
        return getattr(self, "head", None)
