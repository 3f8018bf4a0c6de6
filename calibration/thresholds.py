"""Decision thresholds with evidence: calibrated on an upper bound, on people not tested."""

from embedge.calibration.intervals.dyads import Strangers
from embedge.calibration.intervals.interval import CONFIDENCE
from embedge.calibration.intervals.rates import not_carried
from embedge.calibration.rates import Insufficient, people_for
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
) -> Threshold | Insufficient:
    """The smallest score whose upper confidence bound on FMR is at or under the target.

    So is the bound of every stricter score. No more is believed than the people, and their
    different pairs, can carry: how often each of them was pictured does not matter.
    """
    strangers = Strangers(scores)
    if not len(scores.tail):
        return Insufficient(people_for(fmr_target), scores.subjects, "people")
    allowed = strangers.errors_within(fmr_target, confidence)
    if allowed is None:
        return not_carried(strangers, fmr_target, confidence)
    value = float(scores.tail[len(scores.tail) - 1 - allowed])
    errors = scores.impostors_above(value)  # fewer than allowed where scores tie
    return Threshold(
        value,
        fmr_target,
        errors / scores.impostors,
        strangers.lumps(errors).upper(confidence),
        confidence,
        scores.impostors,
        scores.subjects,
        dataset,
        model,
    )
