"""The terms by which a student imitates its teacher, as several methods use them."""

from torch import Tensor
from torch.nn.functional import normalize

from embedge.train.head.passes import HeadPass
from embedge.train.methods.parts.method import Ingredients, Sample

__all__ = ["divergence", "gap"]


def gap(sample: Sample) -> Tensor:
    """Mean of ‖ẑ_s − ẑ_t‖²."""
    return (normalize(sample.student) - normalize(sample.target)).square().sum(dim=1).mean()


def divergence(mine: HeadPass, theirs: HeadPass, ingredients: Ingredients) -> Tensor:
    """Mean KL from the teacher's class distribution to the student's, at the temperature."""
    factor = ingredients.weights.softmax_scale / ingredients.weights.temperature
    return mine.kl_from(theirs, factor).mean()
