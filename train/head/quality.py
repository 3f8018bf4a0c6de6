"""AdaFace's measure of quality: the length of an embedding beside what is usual in this training.

What is usual moves with the student, is the same on every rank and is part of the checkpoint.
"""

import torch
from torch import Tensor, nn

from embedge.train.head.margins import Margin, QualityMargin
from embedge.train.loop.ranks import gathered

__all__ = ["UsualLength"]

_FORGET = 0.01
_BOUNDS = (1e-3, 100.0)


class UsualLength(nn.Module):
    """Running mean and deviation of the embeddings' lengths, from the first batch on."""

    mean: Tensor
    deviation: Tensor
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("deviation", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, margin: Margin) -> QualityMargin:
        """The margin of each of these embeddings, after they were taken into account."""
        lengths = embeddings.detach().float().norm(dim=1).clamp(*_BOUNDS)
        if self.training:
            self._remember(gathered(lengths))
        return QualityMargin.of_norms(lengths, self.mean, self.deviation, margin)

    def _remember(self, lengths: Tensor) -> None:
        share = torch.where(self.seen == 0, 1.0, _FORGET)  # read on the device: nobody waits
        self.mean.lerp_(lengths.mean(), share)
        self.deviation.lerp_(lengths.std(), share)
        self.seen.add_(1)
