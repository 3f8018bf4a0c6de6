"""AdaDistill (arXiv 2407.01332): proxyless distillation into centres that follow the teacher.

The published code starts from random centres; ours start from the teacher's, which are there.
"""

from dataclasses import replace

from embedge.train.methods.parts.method import Ingredients
from embedge.train.methods.proxyless import Proxyless

__all__ = ["AdaDistill"]


class AdaDistill(Proxyless):
    def __init__(self, ingredients: Ingredients):
        if ingredients.weights.adapt_from is None:
            weights = ingredients.weights.model_copy(update={"adapt_from": 0.0})
            ingredients = replace(ingredients, weights=weights)
        super().__init__(ingredients)
