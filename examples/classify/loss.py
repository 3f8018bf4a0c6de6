"""TH-KD for classification (arXiv 2201.06945): a student with its own head and the teacher's.

    L  = (1−a)·CE(p_s, y) + a·CE(p_s^TH, y)
       + α·T²·((1−a)·KL(p_t ‖ p_s) + a·KL(p_t ‖ p_s^TH)) + β·‖ẑ_s − ẑ_t‖²
    p' = (1−a)·p_s + a·p_s^TH

Each head learns by a loss of its own; p' is what the student then answers. Trained on p' itself,
the head that learns faster would leave the other nothing to learn. With a = 0 this is KD, with
a = α = β = 0 plain training, with a = 1 and α = β = 0 ProxylessKD. The borrowed head is the
teacher's, frozen; where its input is wider or narrower than the student's features, a linear map
stands between.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from embedge.train.methods.parts.imitation import gap
from embedge.train.methods.parts.method import Loss, Sample

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
        beta: float = 0.0,
        temperature: float = 1.0,
    ):
        super().__init__()
        self.a, self.alpha, self.beta, self.temperature = a, alpha, beta, temperature
        self.head = nn.Linear(features, classes) if frozen is None else _still(frozen)
        self.teacher = None if teacher is None else _still(teacher)
        wide = None if teacher is None or a == beta == 0 else teacher.in_features
        self.lift = None if wide in (None, features) else nn.Linear(features, wide, bias=False)

    def forward(self, sample: Sample) -> Loss:
        terms: dict[str, tuple[float, Tensor]] = {}
        lifted = self._lifted(sample.student)
        for name, share, logits in self.answers(sample.student, lifted):
            terms[f"ce-{name}"] = (share, cross_entropy(logits, sample.labels))
            if self.alpha > 0:
                weight = share * self.alpha * self.temperature**2
                terms[f"kl-{name}"] = (weight, self._divergence(logits, sample.target))
        if self.beta > 0:
            distance = gap(Sample(lifted, sample.labels, sample.target))
            terms["distance"] = (self.beta, distance)
        return Loss.weighted(terms)

    def log_shares(self, features: Tensor) -> Tensor:
        """log p', mixed after the softmax and without leaving the logarithms."""
        answers = self.answers(features)
        shares = [log_softmax(logits, dim=1) + math.log(share) for _, share, logits in answers]
        return torch.stack(shares).logsumexp(dim=0)

    def answers(
        self, features: Tensor, lifted: Tensor | None = None
    ) -> list[tuple[str, float, Tensor]]:
        """Every head that has a share: its name, the share, and its logits."""
        lifted = self._lifted(features) if lifted is None else lifted
        answers = [("own", 1 - self.a, self.head(features))] if self.a < 1 else []
        if self.a > 0:
            assert self.teacher is not None
            answers.append(("borrowed", self.a, self.teacher(lifted)))
        return answers

    def _lifted(self, features: Tensor) -> Tensor:
        return features if self.lift is None else self.lift(features)

    def _divergence(self, logits: Tensor, features: Tensor) -> Tensor:
        assert self.teacher is not None
        target = log_softmax(self.teacher(features) / self.temperature, dim=1)
        given = log_softmax(logits / self.temperature, dim=1)
        return kl_div(given, target, log_target=True, reduction="batchmean")


def _still(head: nn.Linear) -> nn.Linear:
    """A copy that nothing trains."""
    copy = nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)
    copy.load_state_dict(head.state_dict())
    return copy.requires_grad_(False)
