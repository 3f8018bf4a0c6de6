"""Shares of comparisons, of searches and of people, each with an interval over people."""

import numpy as np
from numpy.typing import NDArray

from embedge.calibration.compatibility.figures import Difference
from embedge.calibration.evaluation.figures import Rate
from embedge.calibration.intervals.binomial import lower_bound, upper_bound
from embedge.calibration.intervals.rates import (
    CONFIDENCE,
    evidence_of,
    fmr_interval,
    fnmr_interval,
)
from embedge.calibration.rates import false_match_rate
from embedge.calibration.scores import BINS, PairScores

__all__ = [
    "accept_rate",
    "difference",
    "false_match_share",
    "share_of_comparisons",
    "share_of_people",
]

_BETWEEN = 0.5


def share_of_comparisons(
    subjects: NDArray[np.int64], marked: NDArray[np.bool_], confidence: float = CONFIDENCE
) -> Rate:
    """The marked ones among comparisons that belong to `subjects`.

    A marked comparison is as a rejected one: the interval is that of a false non-match rate.
    """
    _, codes = np.unique(subjects, return_inverse=True)
    order = np.argsort(~marked, kind="stable")
    rows = np.arange(len(codes), dtype=np.int32)[order]
    scores = PairScores(
        genuine=(~marked[order]).astype(np.float32),
        genuine_pairs=np.column_stack([rows, rows]),
        tail=np.empty(0, np.float32),
        tail_pairs=np.empty((0, 2), np.int32),
        body=np.zeros(BINS, np.int64),
        gallery_subjects=codes.astype(np.int32),
        probe_subjects=codes.astype(np.int32),
        within=True,
    )
    found = fnmr_interval(evidence_of(scores), _BETWEEN, confidence)
    return Rate(float(marked.sum() / len(marked)), found.low, found.high)


def accept_rate(subjects: NDArray[np.int64], accepts: NDArray[np.bool_]) -> Rate:
    """The accepted ones, by the interval of the rejected ones."""
    rejected = share_of_comparisons(subjects, ~accepts)
    return Rate(float(accepts.sum() / len(accepts)), 1 - rejected.high, 1 - rejected.low)


def false_match_share(scores: PairScores, threshold: float) -> Rate:
    found = fmr_interval(evidence_of(scores), threshold)
    return Rate(false_match_rate(scores, threshold), found.low, found.high)


def share_of_people(part: int, people: int) -> Rate:
    """People are independent of each other: the exact binomial interval."""
    side = (1 + CONFIDENCE) / 2
    return Rate(part / people, lower_bound(part, people, side), upper_bound(part, people, side))


def difference(gained: Rate, lost: Rate) -> Difference:
    """What was gained less what was lost, its limits by the method of variance recovery.

    Newcombe (1998), Zou and Donner (2008): unlike a normal interval it stays open when nothing
    was gained or lost yet.
    """
    value = gained.rate - lost.rate
    below = np.hypot(gained.rate - gained.low, lost.high - lost.rate)
    above = np.hypot(gained.high - gained.rate, lost.rate - lost.low)
    return Difference(value, max(-1.0, float(value - below)), min(1.0, float(value + above)))
