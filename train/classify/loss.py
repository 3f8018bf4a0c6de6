"""TH-KD for classification (arXiv 2201.06945): one prediction mixed of two heads.

    p' = (1−a)·softmax(own(z)) + a·softmax(borrowed(z))
    L  = CE(p', y) + α·T²·KL(p_t(T) ‖ p'(T))

With a = 0 this is KD, with a = α = 0 plain training. The borrowed head is the teacher's, frozen;
where its input is wider or narrower than the student's features, a linear map that is not kept
stands between. Only the student and its own head are used afterwards.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax, nll_loss

from embedge.train.methods.vocabulary import Loss, Sample

__all__ = ["MixedHeads"]


class MixedHeads(nn.Module):
    """`frozen` replaces the own head by a given one that is not trained (SH-KD's second stage)."""

    def __init__(
        self,
        classes: int,
        features: int,
        *,
        teacher: nn.Linear | None = None,
        frozen: nn.Linear | None = None,
        a: float = 0.0,
        alpha: float = 0.0,
        temperature: float = 4.0,
    ):
        super().__init__()
        self.a, self.alpha, self.temperature = a, alpha, temperature
        self.head = nn.Linear(features, classes) if frozen is None else _still(frozen)
        self.teacher = None if teacher is None else _still(teacher)
        wide = None if teacher is None or a == 0 else teacher.in_features
        self.lift = None if wide in (None, features) else nn.Linear(features, wide, bias=False)

    def forward(self, sample: Sample) -> Loss:
        ce = nll_loss(self.log_shares(sample.student, 1.0), sample.labels)
        if self.alpha == 0:
            return Loss.weighted({"ce": (1.0, ce)})
        assert self.teacher is not None
        target = log_softmax(self.teacher(sample.target) / self.temperature, dim=1)
        mixed = self.log_shares(sample.student, self.temperature)
        kl = kl_div(mixed, target, log_target=True, reduction="batchmean")
        return Loss.weighted({"ce": (1.0, ce), "kl": (self.alpha * self.temperature**2, kl)})

    def log_shares(self, features: Tensor, temperature: float) -> Tensor:
        """log p', mixed after the softmax and without leaving the logarithms."""
        own = log_softmax(self.head(features) / temperature, dim=1)
        if self.a == 0:
            return own
        assert self.teacher is not None
        lifted = features if self.lift is None else self.lift(features)
        borrowed = log_softmax(self.teacher(lifted) / temperature, dim=1)
        if self.a == 1:
            return borrowed
        return torch.logaddexp(own + math.log1p(-self.a), borrowed + math.log(self.a))


def _still(head: nn.Linear) -> nn.Linear:
    """A copy that nothing trains."""
    copy = nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)
    copy.load_state_dict(head.state_dict())
    return copy.requires_grad_(False)
