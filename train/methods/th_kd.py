"""TH-KD (arXiv 2201.06945): the student keeps a head of its own and borrows the teacher's.

    CE' = (1−a)·CE(own) + a·CE(shared)
    H'  = (1−a)·H(p_s, p_t) + a·H(p_s^TH, p_t)
    L   = CE' + α·H' + β·‖ẑ_s − ẑ_t‖²

H' is written as KL, which differs by the teacher's entropy only and so has the same gradient.
A term whose weight is zero is not computed: with a=1, α=β=0 this is ProxylessKD to the last bit.
"""

from torch import Tensor, nn
from torch.nn.functional import normalize

from embedge.train.head import head_kl, margin_ce
from embedge.train.methods.scratch import own_head
from embedge.train.methods.vocabulary import Ingredients, Loss, Sample

__all__ = ["TeacherHead"]


class TeacherHead(nn.Module):
    shared_head: Tensor

    def __init__(self, ingredients: Ingredients):
        super().__init__()
        self.ingredients = ingredients
        self.needs_teacher = ingredients.alpha > 0 or ingredients.beta > 0
        self.register_buffer("shared_head", ingredients.head, persistent=False)
        self.head = own_head(ingredients) if ingredients.a < 1 else None

    def forward(self, sample: Sample) -> Loss:
        terms = {**self._classification(sample), **self._imitation(sample)}
        parts = {name: value for name, (_, value) in terms.items()}
        total = [value if weight == 1 else weight * value for weight, value in terms.values()]
        return Loss(sum(total[1:], start=total[0]), parts)

    def _classification(self, sample: Sample) -> dict[str, tuple[float, Tensor]]:
        terms = {}
        margin, a = self.ingredients.margin, self.ingredients.a
        if self.head is not None:
            own = margin_ce(sample.student, self.head, sample.labels, margin).mean()
            terms["ce-own"] = (1 - a, own)
        if a > 0:
            shared = margin_ce(sample.student, self.shared_head, sample.labels, margin).mean()
            terms["ce-shared"] = (a, shared)
        return terms

    def _imitation(self, sample: Sample) -> dict[str, tuple[float, Tensor]]:
        terms: dict[str, tuple[float, Tensor]] = {}
        if sample.teacher is None:
            return terms
        a, alpha, beta = self.ingredients.a, self.ingredients.alpha, self.ingredients.beta
        if alpha > 0 and self.head is not None:
            terms["kl-own"] = ((1 - a) * alpha, self._kl(sample, self.head))
        if alpha > 0 and a > 0:
            terms["kl-shared"] = (a * alpha, self._kl(sample, None))
        if beta > 0:
            gap = normalize(sample.student) - normalize(sample.teacher)
            terms["distance"] = (beta, gap.square().sum(dim=1).mean())
        return terms

    def _kl(self, sample: Sample, head: Tensor | None) -> Tensor:
        assert sample.teacher is not None
        return head_kl(
            sample.student,
            sample.teacher,
            self.shared_head,
            head,
            scale=self.ingredients.margin.scale,
            temperature=self.ingredients.temperature,
        ).mean()
