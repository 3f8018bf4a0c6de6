"""Decision thresholds with evidence: calibrated on an upper bound, on people not tested."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedge.calibration.intervals.bootstrap import ROUNDS, resampled
from embedge.calibration.intervals.rates import CONFIDENCE, design_effect, fmr_upper
from embedge.calibration.rates import Insufficient, allowed_errors
from embedge.calibration.scores import PairScores
from embedge.errors import EmbedgeError
from embedge.runtime.threshold import Threshold

__all__ = ["split_subjects", "threshold_at"]


def split_subjects(
    labels: ArrayLike, seed: int, *, share: float = 0.5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks (calibrate, test) over the rows; no subject is in both. `share` goes to calibrate."""
    names = np.asarray(labels)
    subjects = np.unique(names)
    if len(subjects) < 2:
        raise EmbedgeError(
            "E-SUBJECTS",
            f"{len(subjects)} subject cannot be split into two groups of people",
            remedy="Bring images of two or more people",
        )
    shuffled = np.random.default_rng(seed).permutation(subjects)
    count = min(max(round(share * len(subjects)), 1), len(subjects) - 1)
    calibrate: NDArray[np.bool_] = np.isin(names, shuffled[:count])
    return calibrate, ~calibrate


def threshold_at(
    scores: PairScores,
    fmr_target: float,
    *,
    dataset: str,
    model: str,
    confidence: float = CONFIDENCE,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Threshold | Insufficient:
    """The smallest score whose upper confidence bound on FMR is at or under the target."""
    if not len(scores.tail):
        return Insufficient(math.ceil(3 / fmr_target), 0)
    resampling = resampled(scores, rounds=rounds, seed=seed)
    if fmr_upper(resampling, 0, confidence) > fmr_target:
        needs = math.log1p(-confidence) / math.log1p(-fmr_target) * design_effect(resampling, 0)
        return Insufficient(math.ceil(needs), scores.impostors)
    low, high = 0, min(allowed_errors(fmr_target, scores.impostors), len(scores.tail) - 1)
    while low < high:
        middle = (low + high + 1) // 2
        if fmr_upper(resampling, middle, confidence) <= fmr_target:
            low = middle
        else:
            high = middle - 1
    value = float(scores.tail[len(scores.tail) - 1 - low])
    errors = scores.impostors_above(value)  # fewer than `low` where scores tie
    return Threshold(
        value,
        fmr_target,
        errors / scores.impostors,
        fmr_upper(resampling, errors, confidence),
        confidence,
        scores.impostors,
        scores.subjects,
        dataset,
        model,
    )
