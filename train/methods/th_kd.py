"""TH-KD (arXiv 2201.06945): the student keeps a head of its own and borrows the teacher's.

    CE' = (1−a)·CE(own) + a·CE(shared)
    H'  = (1−a)·H(p_s, p_t) + a·H(p_s^TH, p_t)
    L   = CE' + α·T²·H' + β·‖ẑ_s − ẑ_t‖²

T² keeps the gradients in proportion whatever the temperature, as in `kd`. H' is written as KL,
which differs by the teacher's entropy only and so has the same gradient. A term whose weight is
zero is not computed: with a=1, α=β=0 this is ProxylessKD to the last bit.
"""

from torch import Tensor

from embedge.train.head import margin_ce
from embedge.train.methods.parts.heads import SharedHead, own_head
from embedge.train.methods.parts.imitation import divergence, gap
from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample

__all__ = ["TeacherHead"]

_Terms = dict[str, tuple[float, Tensor]]


class TeacherHead(Method):
    settings = ("a", "alpha", "beta", "temperature", "adapt_from")

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.shared = SharedHead(ingredients.head, self.weights.adapt_from)
        self.imitates = self.weights.alpha > 0 or self.weights.beta > 0
        self.needs_teacher = self.imitates or self.shared.adapts
        self.head = own_head(ingredients) if self.weights.a < 1 else None

    def forward(self, sample: Sample) -> Loss:
        rows = self.shared(sample)
        imitation = self._imitation(sample, rows) if self.imitates else {}
        return Loss.weighted({**self._classification(sample, rows), **imitation})

    def _classification(self, sample: Sample, rows: Tensor) -> _Terms:
        terms: _Terms = {}
        a, margin = self.weights.a, self.margin_for(sample)
        if self.head is not None:
            own = margin_ce(sample.student, self.head, sample.labels, margin).mean()
            terms["ce-own"] = (1 - a, own)
        if a > 0:
            shared = margin_ce(sample.student, rows, sample.labels, margin).mean()
            terms["ce-shared"] = (a, shared)
        return terms

    def _imitation(self, sample: Sample, rows: Tensor) -> _Terms:
        terms: _Terms = {}
        have = self.weights
        alpha = have.alpha * have.temperature**2
        if alpha > 0 and self.head is not None:
            kl = divergence(sample, self.ingredients, rows, self.head)
            terms["kl-own"] = ((1 - have.a) * alpha, kl)
        if alpha > 0 and have.a > 0:
            terms["kl-shared"] = (have.a * alpha, divergence(sample, self.ingredients, rows))
        if have.beta > 0:
            terms["distance"] = (have.beta, gap(sample))
        return terms
