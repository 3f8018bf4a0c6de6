"""Decision thresholds with evidence: calibrated on an upper bound, on people not tested."""

import math

from embedge.calibration.intervals.bootstrap import ROUNDS, resampled
from embedge.calibration.intervals.rates import CONFIDENCE, design_effect, fmr_upper
from embedge.calibration.rates import Insufficient, allowed_errors
from embedge.calibration.scores import PairScores
from embedge.runtime.threshold import Threshold

__all__ = ["threshold_at"]


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
