"""The distillation methods, by name."""

from torch import nn

from embedge.train.methods.proxyless import Proxyless
from embedge.train.methods.scratch import Scratch
from embedge.train.methods.th_kd import TeacherHead
from embedge.train.methods.vocabulary import Ingredients, Loss, Sample

__all__ = ["METHODS", "Ingredients", "Loss", "Sample", "method_named"]

METHODS: dict[str, type[nn.Module]] = {
    "scratch": Scratch,
    "proxyless": Proxyless,
    "th-kd": TeacherHead,
}


def method_named(name: str, ingredients: Ingredients) -> nn.Module:
    return METHODS[name](ingredients)
