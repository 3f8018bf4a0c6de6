"""ProxylessKD (arXiv 2011.00265): the student learns straight into the teacher's frozen head."""

from torch import Tensor, nn

from embedge.train.head import margin_ce
from embedge.train.methods.vocabulary import Ingredients, Loss, Sample

__all__ = ["Proxyless"]


class Proxyless(nn.Module):
    """Labels only: the teacher's backbone is never run."""

    needs_teacher = False
    shared_head: Tensor

    def __init__(self, ingredients: Ingredients):
        super().__init__()
        self.margin = ingredients.margin
        self.register_buffer("shared_head", ingredients.head, persistent=False)

    def forward(self, sample: Sample) -> Loss:
        loss = margin_ce(sample.student, self.shared_head, sample.labels, self.margin).mean()
        return Loss(loss, {"ce-shared": loss})
