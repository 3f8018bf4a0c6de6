"""What every distillation method shares: the shape of its loss and what it may look at.

A method is a module called with a `Sample`. What it trains beside the student are its parameters;
what it borrows from the teacher are buffers that no checkpoint holds. Neither is exported.

There are two classifiers: the student's own, and the one it borrows. That one is frozen, or its
rows follow the teacher (AdaDistill, arXiv 2407.01332):

    w_y ← α'·w_y + (1−α')·f_t,    α' = clip(cos(f_s, f_t)·cos(w_y, f_t), 0, 1)

A student that agrees with its teacher leaves the centres alone; one that does not yet is led by
single pictures. Where a class is in the batch several times its centre moves to the mean of what
they propose, which no order and no division into ranks can change. Rows stay of length one.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import normalize

from embedge.train.head.margins import Margin, TargetMargin
from embedge.train.head.passes import HeadPass, read_head
from embedge.train.head.quality import UsualLength
from embedge.train.loop.ranks import gathered
from embedge.train.section import Factor, Natural, Section, Weight

__all__ = [
    "Ingredients",
    "Loss",
    "Method",
    "Sample",
    "Share",
    "SharedHead",
    "Weights",
    "own_head",
]

Share = Annotated[float, Field(ge=0, le=1)]


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


class Weights(Section):
    """The numbers of a method's loss."""

    a: Share = 0.9
    """th-kd, sh-kd: share of the borrowed head against the student's own"""
    alpha: Weight = 1.0
    """th-kd, sh-kd, kd, gkd: weight of the teacher's class distribution"""
    beta: Weight = 60.0
    """th-kd, sh-kd, l2e: weight of the distance between the two embeddings"""
    temperature: Factor = 1.0
    """th-kd, sh-kd, kd, gkd: divides the logits of both distributions"""
    softmax_scale: Factor = 32.0
    """th-kd, sh-kd, kd, gkd: multiplies every cosine in the two class distributions that are
    compared, whatever distill.margin.scale is"""
    tau: Annotated[float, Field(gt=0, le=1)] = 0.99
    """gkd: classes count until they have collected this share of the student's prediction"""
    relation_distance: Weight = 25.0
    """rkd: weight of the distances of pairs"""
    relation_angle: Weight = 50.0
    """rkd: weight of the angles of triplets"""
    head_dtype: Literal["fp32", "bf16"] = "fp32"
    """how heads are multiplied, and the borrowed one held: bf16 takes half the memory, and of a GPU
    a fraction of the time. A head that is trained stays in fp32 itself"""
    logits_mb: Natural = 256
    """memory for the logits of a step; a batch and head that would take more are streamed over the
    classes, which needs next to none and computes each product again for each loss"""
    adapt_from: Share | None = None
    """th-kd, proxyless, adadistill: share of the steps after which the borrowed head's rows follow
    the teacher's embeddings; never unless given, with adadistill from the beginning"""


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What a method is made from. `head` has the teacher's class centres as unit rows."""

    classes: int
    dim: int
    head: Tensor
    margin: Margin
    weights: Weights

    @classmethod
    def without_teacher(
        cls, classes: int, dim: int, margin: Margin, weights: Weights | None = None
    ) -> "Ingredients":
        return cls(classes, dim, torch.empty(0, dim), margin, weights or Weights())

    @classmethod
    def of_frozen_head(
        cls, head: Tensor, margin: Margin, weights: Weights | None = None
    ) -> "Ingredients":
        """`weights` say how the head is held; its rows stay where they are, whatever they say."""
        held = (weights or Weights()).model_copy(update={"adapt_from": None})
        return cls(len(head), head.shape[1], head, margin, held)


def own_head(ingredients: Ingredients) -> nn.Parameter:
    """A trainable classifier, drawn as arcface_torch draws it."""
    return nn.Parameter(torch.randn(ingredients.classes, ingredients.dim) * 0.01)


class SharedHead(nn.Module):
    """The teacher's classifier: a buffer, stored by no checkpoint unless its rows adapt."""

    rows: Tensor

    def __init__(self, rows: Tensor, adapt_from: float | None = None):
        super().__init__()
        self.adapt_from = adapt_from
        adapts = adapt_from is not None
        self.register_buffer("rows", rows.clone() if adapts else rows, persistent=adapts)

    @classmethod
    def of(cls, ingredients: Ingredients, *, follows: bool = True) -> "SharedHead":
        """As the weights say: rows that adapt stay in full precision, or they would not move."""
        weights = ingredients.weights
        start = weights.adapt_from if follows else None
        half = weights.head_dtype == "bf16" and start is None
        return cls(ingredients.head.to(torch.bfloat16) if half else ingredients.head, start)

    @property
    def adapts(self) -> bool:
        return self.adapt_from is not None

    def forward(self, sample: Sample) -> Tensor:
        """The rows to use for this batch."""
        if self.adapt_from is not None and sample.done >= self.adapt_from:
            self._follow(sample)
        return self.rows

    @torch.no_grad()
    def _follow(self, sample: Sample) -> None:
        labels = gathered(sample.labels)
        student = gathered(normalize(sample.student.detach().to(self.rows.dtype)))
        teacher = gathered(normalize(sample.target.to(self.rows.dtype)))
        centres = self.rows[labels]
        trust = (student * teacher).sum(1) * (centres * teacher).sum(1)
        keep = trust.clamp(0, 1)[:, None]
        proposed = keep * centres + (1 - keep) * teacher
        # every picture of a class brings the same row: to count classes the host would wait
        same = (labels[:, None] == labels).to(proposed.dtype)
        self.rows[labels] = normalize(same @ proposed)


class Method(nn.Module):
    """`settings` names the weights that the loss depends on, beside margin and head."""

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
        self.margin, self.weights = ingredients.margin, ingredients.weights
        self.usual = UsualLength() if ingredients.margin.quality else None

    def margin_for(self, sample: Sample) -> TargetMargin:
        """The margin of this batch; to be asked for once a step."""
        return self.margin if self.usual is None else self.usual(sample.student, self.margin)

    def reading(self, embeddings: Tensor, weight: Tensor) -> HeadPass:
        """Of a head by embeddings; to be asked for once a step for each pair of them."""
        half = self.weights.head_dtype == "bf16"
        return read_head(embeddings, weight, self.weights.logits_mb, half=half)

    def own_ce(self, sample: Sample, head: Tensor) -> Tensor:
        """Mean cross-entropy of the batch against the student's own head."""
        read = self.reading(sample.student, head)
        return read.ce(sample.labels, self.margin_for(sample)).mean()

    def classifier(self) -> Tensor | None:
        """The head that was trained beside the student, where there is one."""
        return getattr(self, "head", None)
