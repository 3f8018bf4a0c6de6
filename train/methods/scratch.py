"""From scratch: the student and a head of its own, no teacher. The baseline of every report."""

import torch
from torch import nn

from embedge.train.head import margin_ce
from embedge.train.methods.vocabulary import Ingredients, Loss, Sample

__all__ = ["Scratch", "own_head"]


def own_head(ingredients: Ingredients) -> nn.Parameter:
    """A trainable classifier, drawn as arcface_torch draws it."""
    return nn.Parameter(torch.randn(ingredients.classes, ingredients.dim) * 0.01)


class Scratch(nn.Module):
    needs_teacher = False

    def __init__(self, ingredients: Ingredients):
        super().__init__()
        self.margin = ingredients.margin
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        loss = margin_ce(sample.student, self.head, sample.labels, self.margin).mean()
        return Loss(loss, {"ce": loss})
