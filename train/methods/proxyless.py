"""ProxylessKD (arXiv 2011.00265): the student learns straight into the teacher's head.

Labels only: while that head is frozen the teacher's backbone is never run.
"""

from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample, SharedHead

__all__ = ["Proxyless"]


class Proxyless(Method):
    settings = ("head_dtype", "adapt_from")

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.shared = SharedHead.of(ingredients)
        self.needs_teacher = self.shared.adapts

    def forward(self, sample: Sample) -> Loss:
        rows = self.shared(sample)
        shared = self.reading(sample.student, rows)
        loss = shared.ce(sample.labels, self.margin_for(sample)).mean()
        return Loss(loss, {"ce-shared": loss})
