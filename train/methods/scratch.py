"""From scratch: the student and a head of its own, no teacher. The baseline of every report."""

from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample, own_head

__all__ = ["Scratch"]


class Scratch(Method):
    settings = ("head_dtype",)
    borrows = False
    shares_space = False

    def __init__(self, ingredients: Ingredients):
        super().__init__(ingredients)
        self.head = own_head(ingredients)

    def forward(self, sample: Sample) -> Loss:
        loss = self.own_ce(sample, self.head)
        return Loss(loss, {"ce": loss})
