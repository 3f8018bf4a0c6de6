"""The two classifiers of a distillation: the student's own, and the one it borrows.

The borrowed one is frozen, or its rows follow the teacher (AdaDistill, arXiv 2407.01332):

    w_y ← α'·w_y + (1−α')·f_t,    α' = clip(cos(f_s, f_t)·cos(w_y, f_t), 0, 1)

A student that agrees with its teacher leaves the centres alone; one that does not yet is led by
single pictures. Where a class is in the batch several times its centre moves to the mean of what
they propose, which no order and no division into ranks can change. Rows stay of length one.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from embedge.train.loop.ranks import gathered
from embedge.train.methods.parts.method import Ingredients, Sample

__all__ = ["SharedHead", "own_head"]


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
