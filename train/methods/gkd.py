"""GKD (arXiv 2304.04462): labels, and the classes that matter to this picture.

The student's softened prediction, sorted, is cut where it has collected the share τ: the classes
before the cut and the true one are the primary group. KD falls into three parts, of which the
hopeless tail is left out:

    L = CE(own) + α·T²·(P_t·KL(primary ‖ primary) + KL(primary against rest))

with P_t the teacher's share of the primary group. With τ = 1 this is KD. The logits are stored,
unlike elsewhere in this package: which classes matter is only known from all of them.
"""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

from embedge.train.methods.kd import Softened
from embedge.train.methods.parts.method import Loss, Sample

__all__ = ["Grouped"]

# stands for the log of nothing: finite, so that an empty group has a gradient of zero and not NaN
_LOG_NOTHING = -1e4


class Grouped(Softened):
    settings = ("alpha", "temperature", "softmax_scale", "tau", "head_dtype")

    def forward(self, sample: Sample) -> Loss:
        ce = self.own_ce(sample, self.head)
        student = self._log_shares(sample.student, normalize(self.head))
        teacher = self._log_shares(sample.target, self.shared(sample))
        primary = _primary(student.detach().exp(), sample.labels, self.weights.tau)
        inside, between = _grouped_kl(student, teacher, primary)
        weight = self.weights.alpha * self.weights.temperature**2
        return Loss.weighted(
            {"ce": (1.0, ce), "kl-primary": (weight, inside), "kl-binary": (weight, between)}
        )

    def _log_shares(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        factor = self.weights.softmax_scale / self.weights.temperature
        return log_softmax(factor * normalize(embeddings) @ rows.to(embeddings.dtype).T, dim=1)


def _primary(shares: Tensor, labels: Tensor, tau: float) -> Tensor:
    """(B, C) mask of the primary group; the likeliest class is always in it."""
    sorted_shares, order = shares.sort(dim=1, descending=True, stable=True)
    before = sorted_shares.cumsum(dim=1) - sorted_shares
    mask = torch.zeros_like(shares, dtype=torch.bool).scatter_(1, order, before < tau)
    return mask.scatter_(1, labels[:, None], True) if tau < 1 else torch.ones_like(mask)


def _grouped_kl(student: Tensor, teacher: Tensor, primary: Tensor) -> tuple[Tensor, Tensor]:
    """Mean P_t·KL inside the primary group, and mean KL of the two groups' sums."""
    mine, theirs = _log_sums(student, primary), _log_sums(teacher, primary)
    shares = teacher.exp().masked_fill(~primary, 0)
    inside = (shares * (teacher - student)).sum(1) - theirs[0].exp() * (theirs[0] - mine[0])
    between = sum(t.exp() * (t - s) for s, t in zip(mine, theirs))
    return inside.mean(), torch.as_tensor(between).mean()


def _log_sums(log_shares: Tensor, primary: Tensor) -> tuple[Tensor, Tensor]:
    inside = log_shares.masked_fill(~primary, _LOG_NOTHING).logsumexp(dim=1)
    outside = log_shares.masked_fill(primary, _LOG_NOTHING).logsumexp(dim=1)
    return inside, outside
