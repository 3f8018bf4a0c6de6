"""The distillation methods, by name."""

from embedge.train.methods.adadistill import AdaDistill
from embedge.train.methods.gkd import Grouped
from embedge.train.methods.kd import Softened
from embedge.train.methods.l2e import EmbeddingDistance
from embedge.train.methods.parts.method import Ingredients, Loss, Method, Sample, Weights
from embedge.train.methods.parts.projected import Projected
from embedge.train.methods.proxyless import Proxyless
from embedge.train.methods.rkd import Relations
from embedge.train.methods.scratch import Scratch
from embedge.train.methods.th_kd import TeacherHead

__all__ = [
    "METHODS",
    "Ingredients",
    "Loss",
    "Method",
    "Projected",
    "Sample",
    "Weights",
    "method_named",
]

METHODS: dict[str, type[Method]] = {
    "scratch": Scratch,
    "kd": Softened,
    "l2e": EmbeddingDistance,
    "rkd": Relations,
    "proxyless": Proxyless,
    "th-kd": TeacherHead,
    "adadistill": AdaDistill,
    "gkd": Grouped,
}


def method_named(name: str, ingredients: Ingredients) -> Method:
    return METHODS[name](ingredients)
