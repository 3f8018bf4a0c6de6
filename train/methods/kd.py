"""KD (arXiv 1503.02531): labels, and the teacher's softened class distribution.

    L = CE(own) + α·T²·KL(p_t ‖ p_s)

T² keeps the two gradients in proportion whatever the temperature.
"""

from typing import ClassVar

from embedge.train.methods.parts.imitation import divergence
from embedge.train.methods.parts.method import (
    Ingredients,
    Loss,
    Method,
    Sample,
    SharedHead,
    own_head,
)

__all__ = ["Softened"]


class Softened(Method):
    settings: ClassVar[tuple[str, ...]] = ("alpha", "temperature", "softmax_scale", "head_dtype")
    shares_space = False
    needs_teacher = True

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.shared = SharedHead.of(ingredients, follows=False)
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        weight = self.weights.alpha * self.weights.temperature**2
        own = self.reading(sample.student, self.head)
        teacher = self.reading(sample.target, self.shared(sample))
        ce = own.ce(sample.labels, self.margin_for(sample)).mean()
        kl = divergence(own, teacher, self.ingredients)
        return Loss.weighted({"ce": (1.0, ce), "kl": (weight, kl)})
