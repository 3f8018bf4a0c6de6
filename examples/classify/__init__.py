"""Both papers' mechanism for plain image classification: biased linear heads, no margins.

From the top of the repository: `python -m pytest tests/examples`; see README.md here.
"""

from classify.data import Pictures
from classify.loss import MixedHeads
from classify.networks import backbone_from_path, feature_size
from classify.study import CLASSIFY_METHODS, Classifier, Contest, accuracy_of
from classify.views import Views, looked

__all__ = [
    "CLASSIFY_METHODS",
    "Classifier",
    "Contest",
    "MixedHeads",
    "Pictures",
    "Views",
    "accuracy_of",
    "backbone_from_path",
    "feature_size",
    "looked",
]
