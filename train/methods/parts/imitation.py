"""The terms by which a student imitates its teacher, as several methods use them."""

from torch import Tensor
from torch.nn.functional import normalize

from embedge.train.head import head_kl
from embedge.train.methods.parts.method import Ingredients, Sample

__all__ = ["divergence", "gap"]


def gap(sample: Sample) -> Tensor:
    """Mean of ‖ẑ_s − ẑ_t‖²."""
    return (normalize(sample.student) - normalize(sample.target)).square().sum(dim=1).mean()


def divergence(
    sample: Sample, ingredients: Ingredients, shared: Tensor, own: Tensor | None = None
) -> Tensor:
    """Mean KL from the teacher's class distribution to the student's, at the temperature.

    The teacher speaks through `shared`; the student through `own`, or through `shared` too.
    """
    return head_kl(
        sample.student,
        sample.target,
        shared,
        own,
        scale=ingredients.margin.scale,
        temperature=ingredients.weights.temperature,
    ).mean()
