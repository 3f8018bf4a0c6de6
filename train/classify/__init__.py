"""Both papers' mechanism for plain image classification: biased linear heads, no margins."""

from embedge.train.classify.data import Pictures
from embedge.train.classify.loss import MixedHeads
from embedge.train.classify.networks import backbone_from_path, feature_size
from embedge.train.classify.study import CLASSIFY_METHODS, Contest, accuracy_of

__all__ = [
    "CLASSIFY_METHODS",
    "Contest",
    "MixedHeads",
    "Pictures",
    "accuracy_of",
    "backbone_from_path",
    "feature_size",
]
