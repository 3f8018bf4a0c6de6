"""Partial heads (PartialFC): a trainable classifier that touches a part of its rows per step.

The rows of the batch's classes are always taken, others are drawn up to the rate. Only these have
a gradient, and only their momentum moves: the step costs what the sample costs.
Unlike frozen heads no correction is added, as in the published method.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from embedge.errors import EmbedgeError
from embedge.train.head.choice import Kernel
from embedge.train.head.margin_ce import margin_ce
from embedge.train.head.sampled import draw_classes
from embedge.train.margins import TargetMargin

__all__ = ["ActiveRows", "PartialHead"]


@dataclass(frozen=True, slots=True)
class ActiveRows:
    """The rows of this step: a leaf that gets the gradient, and where they belong."""

    classes: Tensor
    rows: Tensor
    labels: Tensor

    def margin_ce(
        self, embeddings: Tensor, margin: TargetMargin, *, kernel: Kernel = "auto"
    ) -> Tensor:
        return margin_ce(embeddings, self.rows, self.labels, margin, kernel=kernel)


class PartialHead(nn.Module):
    """Rows and their momentum as buffers; `active`, then backward, then `step`."""

    weight: Tensor
    momentum: Tensor

    def __init__(self, weight: Tensor, rate: float, generator: torch.Generator | None = None):
        super().__init__()
        if not 0 < rate <= 1:
            raise EmbedgeError(
                "E-HEAD-RATE",
                f"a sampling rate of {rate} makes no sense",
                remedy="Give a rate above 0 and at most 1; 0.1 is usual for millions of classes",
            )
        self.rate, self.generator = rate, generator
        self.register_buffer("weight", weight)
        self.register_buffer("momentum", torch.zeros_like(weight))

    def active(self, labels: Tensor) -> ActiveRows:
        """Draw this step's classes: rate·C of them, or the batch's own where those are more."""
        classes = len(self.weight)
        wanted = max(round(self.rate * classes) - len(labels.unique()), 0)
        draw = draw_classes(labels, classes, wanted, generator=self.generator)
        rows = self.weight[draw.classes].requires_grad_()
        return ActiveRows(draw.classes, rows, draw.labels)

    @torch.no_grad()
    def step(
        self, active: ActiveRows, lr: float, *, momentum: float = 0.9, weight_decay: float = 5e-4
    ) -> None:
        """SGD with momentum on the active rows, as torch.optim.SGD does on all of them."""
        assert active.rows.grad is not None, "call backward before step"
        push = active.rows.grad + weight_decay * active.rows
        speed = momentum * self.momentum[active.classes] + push
        self.momentum[active.classes] = speed
        self.weight[active.classes] = active.rows - lr * speed
