"""L2E: labels, and the distance to the teacher's embedding.

L = CE(own) + β·‖ẑ_s − ẑ_t‖²
"""

from embedge.train.methods.parts.imitation import gap
from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample, own_head

__all__ = ["EmbeddingDistance"]


class EmbeddingDistance(Method):
    settings = ("beta", "head_dtype")
    needs_teacher = True

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        ce = self.own_ce(sample, self.head)
        return Loss.weighted({"ce": (1.0, ce), "distance": (self.weights.beta, gap(sample))})
