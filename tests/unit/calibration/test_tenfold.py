"""Ten-fold accuracy against a plain sweep."""

import numpy as np
import pytest
from sufficient import enough

from embedge.calibration.rates import Insufficient
from embedge.calibration.tenfold import folded_accuracy


def swept(scores: np.ndarray, same: np.ndarray, folds: np.ndarray) -> list[float]:
    found = []
    for fold in sorted(set(folds)):
        best, chosen = -1, None
        for threshold in sorted(scores[folds != fold]):
            right = ((scores > threshold) == same)[folds != fold].sum()
            if right > best:
                best, chosen = right, threshold
        found.append(((scores > chosen) == same)[folds == fold].mean())
    return found


def test_every_fold_is_judged_by_the_others() -> None:
    generator = np.random.default_rng(0)
    same = generator.random(300) < 0.5
    scores = (generator.normal(size=300) * 0.2 + 0.4 * same).astype(np.float32)
    scores[:40] = np.round(scores[:40], 1)  # some ties
    folds = generator.integers(0, 5, 300)
    result = enough(folded_accuracy(scores, same, folds))
    oracle = swept(scores, same, folds)
    assert result.accuracies == pytest.approx(oracle)
    assert result.mean == pytest.approx(np.mean(oracle))
    assert result.sd == pytest.approx(np.std(oracle))


def test_one_fold_cannot_be_judged() -> None:
    scores, same = np.asarray([0.1, 0.9], np.float32), np.asarray([False, True])
    assert folded_accuracy(scores, same, np.zeros(2, int)) == Insufficient(2, 1, "folds")
