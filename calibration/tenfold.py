"""Ten-fold accuracy: each fold is judged at the threshold that suits the other folds best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.rates import Insufficient
from embedge.calibration.scores import Float32

__all__ = ["FoldedAccuracy", "folded_accuracy"]


@dataclass(frozen=True, slots=True)
class FoldedAccuracy:
    """Mean and standard deviation over the folds."""

    mean: float
    sd: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]


def folded_accuracy(
    scores: Float32, same: NDArray[np.bool_], folds: NDArray[np.int64]
) -> FoldedAccuracy | Insufficient:
    numbers = np.unique(folds)
    if len(numbers) < 2:
        return Insufficient(2, len(numbers), "folds")
    accuracies, thresholds = [], []
    for fold in numbers:
        held = folds == fold
        threshold = _best_threshold(scores[~held], same[~held])
        accuracies.append(float(((scores[held] > threshold) == same[held]).mean()))
        thresholds.append(threshold)
    return FoldedAccuracy(
        float(np.mean(accuracies)),
        float(np.std(accuracies)),
        tuple(accuracies),
        tuple(thresholds),
    )


def _best_threshold(scores: Float32, same: NDArray[np.bool_]) -> float:
    """The smallest score at which most pairs are right."""
    candidates = np.unique(scores)
    genuine, impostor = np.sort(scores[same]), np.sort(scores[~same])
    accepted = len(genuine) - np.searchsorted(genuine, candidates, "right")
    rejected = np.searchsorted(impostor, candidates, "right")
    return float(candidates[np.argmax(accepted + rejected)])
