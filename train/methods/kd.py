"""KD (arXiv 1503.02531): labels, and the teacher's softened class distribution.

    L = CE(own) + α·T²·KL(p_t ‖ p_s)

T² keeps the two gradients in proportion whatever the temperature.
"""

from embedge.train.head import margin_ce
from embedge.train.methods.parts.heads import SharedHead, own_head
from embedge.train.methods.parts.imitation import divergence
from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample

__all__ = ["Softened"]


class Softened(Method):
    settings = ("alpha", "temperature")
    shares_space = False
    needs_teacher = True

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.shared = SharedHead(ingredients.head)
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        weight = self.weights.alpha * self.weights.temperature**2
        ce = margin_ce(sample.student, self.head, sample.labels, self.margin_for(sample)).mean()
        kl = divergence(sample, self.ingredients, self.shared(sample), self.head)
        return Loss.weighted({"ce": (1.0, ce), "kl": (weight, kl)})
