"""A student narrower than its teacher: a linear map, trained beside it, lifts it for the loss.

The map ends with the training. What is exported has the student's own dimension and lives in a
space of its own: such a student cannot be matched against the teacher's gallery.
"""

from dataclasses import replace

from torch import nn

from embedge.train.methods.parts.method import Loss, Method, Sample

__all__ = ["Projected"]


class Projected(Method):
    def __init__(self, method: Method, dim: int):
        super().__init__(method.ingredients)
        self.method = method
        self.needs_teacher = method.needs_teacher
        self.lift = nn.Linear(dim, method.ingredients.dim, bias=False)
        nn.init.orthogonal_(self.lift.weight)

    def forward(self, sample: Sample) -> Loss:
        loss: Loss = self.method(replace(sample, student=self.lift(sample.student)))
        return loss
