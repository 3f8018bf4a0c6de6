"""TH-KD (arXiv 2201.06945): the student keeps a head of its own and borrows the teacher's.

    CE' = (1−a)·CE(own) + a·CE(shared)
    H'  = (1−a)·H(p_s, p_t) + a·H(p_s^TH, p_t)
    L   = CE' + α·T²·H' + β·‖ẑ_s − ẑ_t‖²

T² keeps the gradients in proportion whatever the temperature, as in `kd`. H' is written as KL,
which differs by the teacher's entropy only and so has the same gradient. A term whose weight is
zero is not computed: with a=1, α=β=0 this is ProxylessKD to the last bit.
"""

from torch import Tensor

from embedge.train.head.passes import HeadPass
from embedge.train.methods.parts.imitation import divergence, gap
from embedge.train.methods.parts.method import (
    Ingredients,
    Loss,
    Method,
    Sample,
    SharedHead,
    own_head,
)

__all__ = ["TeacherHead"]

_Terms = dict[str, tuple[float, Tensor]]


class TeacherHead(Method):
    settings = (
        "a",
        "alpha",
        "beta",
        "temperature",
        "softmax_scale",
        "head_dtype",
        "adapt_from",
    )

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.shared = SharedHead.of(ingredients)
        self.imitates = self.weights.alpha > 0 or self.weights.beta > 0
        self.needs_teacher = self.imitates or self.shared.adapts
        self.head = own_head(ingredients) if self.weights.a < 1 else None

    def forward(self, sample: Sample) -> Loss:
        rows = self.shared(sample)
        shared = self.reading(sample.student, rows)
        own = None if self.head is None else self.reading(sample.student, self.head)
        imitation = self._imitation(sample, own, shared) if self.imitates else {}
        return Loss.weighted({**self._classification(sample, own, shared), **imitation})

    def _classification(self, sample: Sample, own: HeadPass | None, shared: HeadPass) -> _Terms:
        terms: _Terms = {}
        a, margin = self.weights.a, self.margin_for(sample)
        if own is not None:
            terms["ce-own"] = (1 - a, own.ce(sample.labels, margin).mean())
        if a > 0:
            terms["ce-shared"] = (a, shared.ce(sample.labels, margin).mean())
        return terms

    def _imitation(self, sample: Sample, own: HeadPass | None, shared: HeadPass) -> _Terms:
        terms: _Terms = {}
        have = self.weights
        alpha = have.alpha * have.temperature**2
        teacher = self.reading(sample.target, shared.weight)
        if alpha > 0 and own is not None:
            kl = divergence(own, teacher, self.ingredients)
            terms["kl-own"] = ((1 - have.a) * alpha, kl)
        if alpha > 0 and have.a > 0:
            terms["kl-shared"] = (have.a * alpha, divergence(shared, teacher, self.ingredients))
        if have.beta > 0:
            terms["distance"] = (have.beta, gap(sample))
        return terms
